//! `apt-quorum attest`: makes a signed statement about an image, or refuses to.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::args::Attest;
use super::output::{complain, json, print};
use super::world::say_remarks;
use super::{Exit, audit as audit_command, evidence_at_hand};
use crate::attest::seal;
use crate::audit::{self, Audited, Record, System};
use crate::evidence::Network;
use crate::gate::{Environment, Gate, apt_configuration};
use crate::image::{
    self, About, Bundled, Manifest, Statement, bundle, manifest, name_of_key, name_of_policy,
    name_of_tree,
};
use crate::sys::files::PreparedFile;
use crate::sys::plain;
use crate::sys::secure::Trusted;
use crate::sys::terminal::Progress;
use crate::types::{Glob, SecretKey, Sha256Digest, Timestamp, printable};

/// The JSON that `--json` prints.
#[derive(Serialize)]
struct Attested {
    schema: u32,
    /// True if a statement was written
    written: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    statement: Option<Written>,
    audit: Record,
}

/// The statement that was written.
#[derive(Serialize)]
struct Written {
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

/// The reason why a command went no further, with its exit code.
pub(super) struct Failed {
    pub(super) exit: Exit,
    pub(super) why: String,
}

/// The command line or the configuration is wrong.
pub(super) fn wrong(why: impl Into<String>) -> Failed {
    Failed { exit: Exit::Wrong, why: why.into() }
}

/// The command could not be carried out.
pub(super) fn not_done(why: impl Into<String>) -> Failed {
    Failed { exit: Exit::Refused, why: why.into() }
}

/// Runs a command of this kind.
pub(super) fn ended(ran: Result<Exit, Failed>) -> Exit {
    ran.unwrap_or_else(|failed| {
        complain(&format!("apt-quorum: {}\n", failed.why));
        failed.exit
    })
}

pub(super) fn run(arguments: &Attest) -> Exit {
    ended(attest(arguments))
}

fn attest(arguments: &Attest) -> Result<Exit, Failed> {
    let now = Timestamp::from(std::time::SystemTime::now());
    let excluded = patterns(&arguments.exclude)?;
    let key = secret(&arguments.key)?;
    for uri in [&arguments.verifier, &arguments.resource, &arguments.policy_uri] {
        is_uri(uri.as_deref())?;
    }
    let file_name = arguments.image.as_deref().map(name_of_file).transpose()?;
    outside(arguments, &excluded)?;
    let evidence = evidence_at_hand(&arguments.evidence).map_err(wrong)?;
    let apt = apt_configuration(Environment::Heard).map_err(|error| wrong(error.to_string()))?;
    let gate = Gate::open(&apt, arguments.directory.config.as_deref(), Trusted::now());
    let config = gate
        .config()
        .map_err(|problems| wrong(format!("nothing can be attested:\n{problems}.")))?;
    let root = &arguments.root;
    let failed = |error| wrong(format!("cannot attest {}: {error}", shown(root)));
    let system = System::at(root).map_err(failed)?;
    let network = if arguments.offline { Network::Denied } else { Network::Allowed };
    let mut gatherer = gate.gatherer(&apt, network).map_err(wrong)?;
    let mut bar: Option<Progress> = None;
    let progress = |done, total| bar.get_or_insert_with(|| Progress::of("", total)).at(done);
    let audited = audit::audit(&system, &gate, &evidence, &mut *gatherer, now, progress);
    drop(bar);
    let audited = audited.map_err(failed)?;
    say_remarks(&gate);
    let record = || Record::of(&audited, &root.to_string_lossy(), config.digest, now);

    let packages = match image::packages(&audited) {
        Ok(packages) if !packages.is_empty() => packages,
        Ok(_) => {
            return Err(not_done("no package is installed there, so there is nothing to attest"));
        }
        Err(open) => {
            let exit = exit_code(&audited);
            if arguments.json {
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
    let manifest = Manifest::of(root, &excluded, text)
        .map_err(|error| not_done(format!("{}: {error}", shown(root))))?;
    let installed = system.installed().map_err(failed)?;
    if !installed.iter().eq(audited.iter().map(|it| &it.installed)) {
        return Err(not_done("packages were installed or removed meanwhile"));
    }
    let file = arguments.image.as_deref().zip(file_name);
    let file = file.map(|(path, name)| Ok((name, hashed(path)?))).transpose()?;
    let image = file.as_ref().map(|(_, sha256)| *sha256);
    let bundled = bundle(&audited, &config.policy, now);
    let about = About {
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
    let statement = Statement::new(about, packages, bundled.attestations.clone());
    let payload = statement
        .to_json()
        .map_err(|error| not_done(format!("the statement cannot be written: {error}")))?;
    let envelope = seal(&payload, &key);
    if envelope.len() > image::MAX_STATEMENT {
        return Err(not_done("the statement would be larger than anybody reads"));
    }
    write(arguments, &manifest, &bundled, envelope.as_bytes())?;

    let written = Written {
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
    let said = match arguments.json {
        true => {
            let audit = record();
            json(&Attested { schema: 1, written: true, statement: Some(written), audit })
        }
        false => written.text(&audited),
    };
    Ok(print(&said, Exit::Admitted))
}

impl Written {
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
        let names: Vec<String> = bundled.not_in_bundles.iter().map(ToString::to_string).collect();
        notes.push(format!(
            "what archives as rebuilders say is in no bundle, and whoever verifies these must have \
             their indexes: {}",
            names.join(", ")
        ));
    }
    notes
}

/// Returns the text of a refusal: the open packages, listed as in an audit. Nothing is written
/// unless all is well.
fn refusal(audited: &[Audited], open: &[&Audited]) -> String {
    let mut text = audit_command::text(audited, false);
    for it in open.iter().filter(|it| !it.installed.whole) {
        text += &format!("{} is not wholly installed.\n", it.installed.called);
    }
    text + "refused: nothing is attested while packages are open.\n"
}

/// Returns the exit code of a refusal. A package that is not wholly installed is refused, whatever
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
fn secret(path: &Path) -> Result<SecretKey, Failed> {
    let named = |why: &dyn std::fmt::Display| wrong(format!("--key {}: {why}", shown(path)));
    let absolute = std::path::absolute(path).map_err(|error| named(&plain(&error)))?;
    let text = Trusted::now()
        .read_secret(&absolute, SecretKey::MAX_LENGTH)
        .map_err(|error| wrong(format!("--key: {}", printable(&error.to_string()))))?;
    SecretKey::from_pem(&text).map_err(|error| named(&error))
}

/// The patterns of `--exclude`.
pub(super) fn patterns(texts: &[String]) -> Result<Vec<Glob>, Failed> {
    let read = |text: &String| {
        let named =
            |why: &dyn std::fmt::Display| wrong(format!("--exclude {}: {why}", printable(text)));
        if !text.starts_with(['/', '*']) {
            return Err(named(&"a path begins with /, seen from the root of the image"));
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
fn is_uri(uri: Option<&str>) -> Result<(), Failed> {
    let Some(uri) = uri else { return Ok(()) };
    let scheme = uri.split_once(':').map(|(scheme, _)| scheme).unwrap_or_default();
    let good = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
        && uri.chars().all(|c| {
            c.is_ascii_graphic()
                && !matches!(c, '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}')
        });
    match good {
        true => Ok(()),
        false => {
            Err(wrong(format!("{} is not a URI, such as https://example.org/", printable(uri))))
        }
    }
}

/// Returns the name of an image as a file: its name without the directories.
fn name_of_file(path: &Path) -> Result<String, Failed> {
    let name = path.file_name().and_then(|name| name.to_str());
    match name.filter(|name| *name != image::MANIFEST) {
        Some(name) => Ok(name.to_owned()),
        None => Err(wrong(format!("--image {}: this is not the name of an image", shown(path)))),
    }
}

/// The SHA-256 of an image as a file.
pub(super) fn hashed(path: &Path) -> Result<Sha256Digest, Failed> {
    let named = |error| wrong(format!("--image {}: {}", shown(path), plain(&error)));
    manifest::of_file(path).map_err(named)
}

/// Checks that no output is in a part of the tree that the statement is about: an output there
/// would make the statement wrong.
fn outside(arguments: &Attest, excluded: &[Glob]) -> Result<(), Failed> {
    let failed = |path: &Path, error| wrong(format!("{}: {}", shown(path), plain(&error)));
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
            return Err(wrong(format!("{path} is in the image that the statement is about")));
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
) -> Result<(), Failed> {
    let mut outputs: Vec<(&PathBuf, Vec<u8>)> = Vec::new();
    if let Some(path) = &arguments.bundle {
        let packed = bundled.pack();
        let packed = packed.map_err(|error| not_done(format!("{}: {error}", shown(path))))?;
        outputs.push((path, packed));
    }
    if let (Some(path), Some(text)) = (&arguments.manifest, &manifest.text) {
        outputs.push((path, text.clone()));
    }
    outputs.push((&arguments.output, envelope.to_vec()));
    put(&outputs)
}

/// Prepares all files before the first is in its place.
pub(super) fn put(outputs: &[(&PathBuf, Vec<u8>)]) -> Result<(), Failed> {
    let failed = |path: &Path, error| not_done(format!("{}: {}", shown(path), plain(&error)));
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

/// A path that can be shown.
pub(super) fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy()).to_string()
}
