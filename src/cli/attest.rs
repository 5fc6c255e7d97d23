//! `apt-quorum attest`: makes a signed statement about an image, or refuses to.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::args::Attest;
use super::judging::Court;
use super::output::{about, json, list, path as shown, print};
use super::world::{Stop, now, say_remarks};
use super::{Exit, audit as audit_command};
use crate::attest::seal;
use crate::audit::{AuditRecord, Audited, System};
use crate::gate::Ask;
use crate::image::{
    self, Bundled, ImageStatement, Manifest, StatementFacts, bundle, manifest, name_of_key,
    name_of_policy, name_of_tree,
};
use crate::sys::files::PreparedFile;
use crate::sys::plain;
use crate::sys::secure::Trusted;
use crate::types::{Glob, SecretKey, Sha256Digest, printable};

/// The JSON that `--json` prints.
#[derive(Serialize)]
struct Attested {
    schema: u32,
    /// True if a statement was written
    written: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    statement: Option<WrittenStatement>,
    audit: AuditRecord,
}

/// The statement that was written.
#[derive(Serialize)]
struct WrittenStatement {
    output: String,
    /// The SHA-256 of the envelope
    sha256: Sha256Digest,
    key: String,
    verifier: String,
    resource: String,
    tree: Sha256Digest,
    entries: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<Sha256Digest>,
    notes: Vec<String>,
}

pub(super) fn run(arguments: &Attest) -> Result<Exit, Stop> {
    let now = now();
    let excluded = patterns(&arguments.exclude)?;
    let key = secret(&arguments.key)?;
    for uri in [&arguments.verifier, &arguments.resource, &arguments.policy_uri] {
        is_uri(uri.as_deref())?;
    }
    let file_name = arguments.image.as_deref().map(name_of_file).transpose()?;
    outside(arguments, &excluded)?;
    let court = Court::open(&arguments.judging)?;
    let config = court.config()?;
    let root = &arguments.root;
    let failed = |error| Stop::wrong(format!("cannot attest {}", about(root, &error)));
    let system = System::at(root).map_err(failed)?;
    let audited = court.audit(&system, Ask::All, now, failed)?;
    say_remarks(&court.gate);
    let record = || AuditRecord::of(&audited, &root.to_string_lossy(), config.digest, now);

    let packages = match image::packages(&audited) {
        Ok(packages) if !packages.is_empty() => packages,
        Ok(_) => {
            return Err(Stop::refused(
                "no package is installed there, so there is nothing to attest",
            ));
        }
        Err(open) => {
            let exit = exit_code(&audited);
            if arguments.judging.json {
                let audit = record();
                let said = Attested { schema: 1, written: false, statement: None, audit };
                return Ok(print(&json(&said), exit));
            }
            return Ok(print(&refusal(&audited, &open), exit));
        }
    };
    let text = match arguments.manifest {
        Some(_) => manifest::Text::Kept,
        None => manifest::Text::Dropped,
    };
    let manifest =
        Manifest::of(root, &excluded, text).map_err(|error| Stop::refused(about(root, &error)))?;
    let installed = system.installed().map_err(failed)?;
    if !installed.iter().eq(audited.iter().map(|it| &it.installed)) {
        return Err(Stop::refused(
            "packages were installed or removed meanwhile: try again when the image is not in use",
        ));
    }
    let file = arguments.image.as_deref().zip(file_name);
    let file = file.map(|(path, name)| hashed(path).map(|sha256| (name, sha256))).transpose()?;
    let image = file.as_ref().map(|(_, sha256)| *sha256);
    let bundled = bundle(&audited, &config.policy, now);
    let about = StatementFacts {
        verifier: arguments.verifier.clone().unwrap_or_else(|| name_of_key(&key.public())),
        time: now,
        resource: arguments.resource.clone().unwrap_or_else(|| name_of_tree(manifest.sha256)),
        policy: (
            arguments.policy_uri.clone().unwrap_or_else(|| name_of_policy(config.digest)),
            config.digest,
        ),
        tree: manifest.sha256,
        file,
        excluded,
    };
    let (verifier, resource) = (about.verifier.clone(), about.resource.clone());
    let statement = ImageStatement::new(about, packages, bundled.attestations.clone());
    let payload = statement
        .to_json()
        .map_err(|error| Stop::refused(format!("the statement cannot be written: {error}")))?;
    let envelope = seal(&payload, &key);
    if envelope.len() > image::MAX_STATEMENT {
        return Err(Stop::refused("the statement would be larger than the limit"));
    }
    write(arguments, &manifest, &bundled, envelope.as_bytes())?;

    let written = WrittenStatement {
        output: shown(&arguments.output),
        sha256: Sha256Digest::of(envelope.as_bytes()),
        key: key.public().key_id().as_str().to_owned(),
        verifier,
        resource,
        tree: manifest.sha256,
        entries: manifest.entries,
        image,
        notes: notes(arguments, &bundled),
    };
    let said = match arguments.judging.json {
        true => {
            let audit = record();
            json(&Attested { schema: 1, written: true, statement: Some(written), audit })
        }
        false => written.text(&audited),
    };
    Ok(print(&said, Exit::Admitted))
}

impl WrittenStatement {
    fn text(&self, audited: &[Audited]) -> String {
        let mut text = audit_command::text(audited, false);
        for note in &self.notes {
            text += &format!("note: {note}.\n");
        }
        let Self { output, tree, entries, .. } = self;
        text + &format!(
            "wrote {output}, signed with the key {}: {entries} entries in the tree, sha256 of the \
             manifest {tree}.\n",
            self.key
        )
    }
}

fn notes(arguments: &Attest, bundled: &Bundled) -> Vec<String> {
    let mut notes = Vec::new();
    if let (Some(_), false) = (&arguments.bundle, bundled.not_in_bundles.is_empty()) {
        notes.push(format!(
            "a bundle has no evidence from rebuilders of the protocol archive. To verify these, \
             their indexes are needed: {}",
            list(&bundled.not_in_bundles)
        ));
    }
    notes
}

/// Returns the text of a refusal: the open packages, listed as in an audit. Nothing is written
/// unless all is well.
fn refusal(audited: &[Audited], open: &[&Audited]) -> String {
    let mut text = audit_command::text(audited, false);
    for it in open.iter().filter(|it| !it.installed.whole) {
        text += &format!("{} is not completely installed.\n", it.installed.called);
    }
    text + "refused: every package must be confirmed or exempted first.\n"
}

/// Returns the exit code of a refusal. A package that is not completely installed is refused, whatever
/// its file is.
fn exit_code(audited: &[Audited]) -> Exit {
    if audited.iter().any(|it| !it.installed.whole) {
        return Exit::Refused;
    }
    match audit_command::exit_code(audited) {
        Exit::CouldNotFindOut => Exit::CouldNotFindOut,
        _ => Exit::Refused,
    }
}

/// Reads the key that signs. No message tells anything of what is in its file.
fn secret(path: &Path) -> Result<SecretKey, Stop> {
    let named = |why: &dyn std::fmt::Display| Stop::wrong(format!("--key {}", about(path, why)));
    let absolute = std::path::absolute(path).map_err(|error| named(&plain(&error)))?;
    let text = Trusted::now()
        .read_secret(&absolute, SecretKey::MAX_LENGTH)
        .map_err(|error| Stop::wrong(format!("--key: {}", printable(&error.to_string()))))?;
    SecretKey::from_pem(&text).map_err(|error| named(&error))
}

/// The patterns of `--exclude`.
pub(super) fn patterns(texts: &[String]) -> Result<Vec<Glob>, Stop> {
    let read = |text: &String| {
        let named = |why: &dyn std::fmt::Display| {
            Stop::wrong(format!("--exclude {}: {why}", printable(text)))
        };
        if !text.starts_with(['/', '*']) {
            return Err(named(&"begin it with / for the root of the image, or with *"));
        }
        text.parse().map_err(|error| named(&error))
    };
    let mut globs: Vec<Glob> = texts.iter().map(read).collect::<Result<_, _>>()?;
    globs.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    globs.dedup();
    Ok(globs)
}

/// Checks that a name is a URI (RFC 3986), as statements need: a scheme, and no characters that
/// would have to be escaped.
fn is_uri(uri: Option<&str>) -> Result<(), Stop> {
    let Some(uri) = uri else { return Ok(()) };
    let scheme = uri.split_once(':').map(|(scheme, _)| scheme).unwrap_or_default();
    let good = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
        && uri.chars().all(|c| {
            c.is_ascii_graphic()
                && !matches!(c, '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}')
        });
    let why = || format!("{} is not a URI, such as https://example.org/", printable(uri));
    good.then_some(()).ok_or_else(|| Stop::wrong(why()))
}

/// Returns the name of an image as a file: its name without the directories.
fn name_of_file(path: &Path) -> Result<String, Stop> {
    let name = path.file_name().and_then(|name| name.to_str());
    match name.filter(|name| *name != image::MANIFEST) {
        Some(name) => Ok(name.to_owned()),
        None => Err(Stop::wrong(format!("--image {}: this has no usable file name", shown(path)))),
    }
}

/// The SHA-256 of an image as a file.
pub(super) fn hashed(path: &Path) -> Result<Sha256Digest, Stop> {
    let named = |error| Stop::wrong(format!("--image {}: {}", shown(path), plain(&error)));
    manifest::of_file(path).map_err(named)
}

/// Checks that no output is in a part of the tree that the statement is about: an output there
/// would make the statement wrong.
fn outside(arguments: &Attest, excluded: &[Glob]) -> Result<(), Stop> {
    let failed = |path: &Path, error| Stop::wrong(about(path, &plain(&error)));
    let root = arguments.root.canonicalize().map_err(|error| failed(&arguments.root, error))?;
    let outputs = [Some(&arguments.output), arguments.manifest.as_ref(), arguments.bundle.as_ref()];
    for path in outputs.into_iter().flatten() {
        let absolute = std::path::absolute(path).map_err(|error| failed(path, error))?;
        let parent = absolute.parent().unwrap_or(Path::new("/"));
        let parent = parent.canonicalize().map_err(|error| failed(path, error))?;
        let Ok(below) = parent.strip_prefix(&root) else { continue };
        let below = below.join(absolute.file_name().unwrap_or_default());
        if !manifest::is_excluded(&below, excluded) {
            let path = shown(path);
            return Err(Stop::wrong(format!("{path} is inside the image: write it elsewhere")));
        }
    }
    Ok(())
}

/// Writes all files or none, the statement last: where it is, the others are as well.
fn write(
    arguments: &Attest,
    manifest: &Manifest,
    bundled: &Bundled,
    envelope: &[u8],
) -> Result<(), Stop> {
    let mut outputs: Vec<(&PathBuf, Vec<u8>)> = Vec::new();
    if let Some(path) = &arguments.bundle {
        let packed = bundled.pack();
        let packed = packed.map_err(|error| Stop::refused(about(path, &error)))?;
        outputs.push((path, packed));
    }
    if let (Some(path), Some(text)) = (&arguments.manifest, &manifest.text) {
        outputs.push((path, text.clone()));
    }
    outputs.push((&arguments.output, envelope.to_vec()));
    put(&outputs)
}

/// Prepares all files before the first is in its place.
pub(super) fn put(outputs: &[(&PathBuf, Vec<u8>)]) -> Result<(), Stop> {
    let failed = |path: &Path, error| Stop::refused(about(path, &plain(&error)));
    let prepare = |(path, bytes): &(&PathBuf, Vec<u8>)| {
        let prepared = PreparedFile::write(path, bytes).map_err(|error| failed(path, error));
        prepared.map(|it| ((*path).clone(), it))
    };
    let prepared = outputs.iter().map(prepare).collect::<Result<Vec<_>, _>>()?;
    for (path, it) in prepared {
        it.place_over().map_err(|error| failed(&path, error))?;
    }
    Ok(())
}
