//! Canonical JSON and the reading of links a second time, over `serde_json`'s own values.

use apt_quorum::types::Sha256Digest;
use serde_json::Value;

/// The canonical form that securesystemslib signs.
#[must_use]
pub fn form(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    write(value, &mut out);
    out
}

fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::String(text) => string(text, out),
        Value::Array(elements) => {
            out.push(b'[');
            for (at, element) in elements.iter().enumerate() {
                out.extend(if at == 0 { "" } else { "," }.bytes());
                write(element, out);
            }
            out.push(b']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by(|(a, _), (b, _)| a.chars().cmp(b.chars()));
            out.push(b'{');
            for (at, (key, member)) in members.into_iter().enumerate() {
                out.extend(if at == 0 { "" } else { "," }.bytes());
                string(key, out);
                out.push(b':');
                write(member, out);
            }
            out.push(b'}');
        }
        other => out.extend(other.to_string().bytes()),
    }
}

fn string(text: &str, out: &mut Vec<u8>) {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    out.push(b'"');
    out.extend(escaped.bytes());
    out.push(b'"');
}

/// What a link says about a file: the SHA-256 that exactly one of its products gives for it, under
/// its very name, if the link is about a rebuild and no product is without a SHA-256.
#[must_use]
pub fn product(signed: &Value, artifact: &str, wanted: Sha256Digest) -> Option<Sha256Digest> {
    let step = signed.get("name")?.as_str()?;
    if signed.get("_type")?.as_str()? != "link"
        || !(step == "rebuild" || step.starts_with("rebuild "))
    {
        return None;
    }
    let mut all = Vec::new();
    for (name, hashes) in signed.get("products")?.as_object()? {
        let sha256: Sha256Digest = hashes.get("sha256")?.as_str()?.parse().ok()?;
        if name == artifact || sha256 == wanted {
            all.push((name, sha256));
        }
    }
    match all[..] {
        [(name, sha256)] if name == artifact => Some(sha256),
        _ => None,
    }
}
