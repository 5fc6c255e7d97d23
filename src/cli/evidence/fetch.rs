//! `apt-quorum evidence fetch`: asks about packages before they are needed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Serialize;

use super::export::{self, Exported};
use super::{Failed, counted, open, package, wrong};
use crate::cli::Exit;
use crate::cli::args::EvidenceFetch;
use crate::cli::output::{complain, json, print};
use crate::cli::simulate;
use crate::evidence::{Network, Question, Stock, Surveyed, survey};
use crate::gate::Gate;
use crate::sys::files::read_bounded;
use crate::sys::plain;
use crate::sys::terminal::Progress;
use crate::types::{
    Architecture, DebVersion, Identity, PackageName, RebuilderName, Sha256Digest, Timestamp,
    printable,
};

/// Largest list of packages that is read, in bytes.
const MAX_LIST: usize = 16 * 1024 * 1024;

/// A package as a list names it.
struct Named {
    package: PackageName,
    version: DebVersion,
    architecture: Option<Architecture>,
}

/// The JSON that `--json` prints.
#[derive(Serialize)]
struct Fetched<'a> {
    schema: u32,
    packages: Vec<FetchedPackage<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exported: Option<&'a Exported>,
}

#[derive(Serialize)]
struct FetchedPackage<'a> {
    #[serde(flatten)]
    identity: &'a Identity,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<Sha256Digest>,
    signed: &'a BTreeSet<RebuilderName>,
    differ: &'a BTreeSet<RebuilderName>,
    silent: &'a BTreeSet<RebuilderName>,
}

pub(super) fn run(arguments: &EvidenceFetch) -> Result<Exit, Failed> {
    let now = Timestamp::from(std::time::SystemTime::now());
    let mut questions = Vec::new();
    for path in &arguments.files {
        let (control, sha256) = package(path)?;
        let (identity, source) = (control.identity, Some(control.source));
        questions.push(Question { identity, source, sha256: Some(sha256) });
    }
    let mut named = Vec::new();
    for path in &arguments.packages {
        named.extend(read_list(path)?);
    }
    let (apt, gate) = open(&arguments.directory)?;
    if arguments.upgrades {
        named.extend(upgrades()?);
    }
    let unlisted = resolve(&gate, named, &mut questions);
    for named in &unlisted {
        complain(&format!(
            "apt-quorum: no index of apt lists {} {}: name its architecture as well.\n",
            named.package, named.version
        ));
    }
    // The order of the list is of no use, and neither is the same question twice.
    questions.sort_by(|a, b| (&a.identity, a.sha256).cmp(&(&b.identity, b.sha256)));
    questions.dedup_by(|a, b| (&a.identity, a.sha256) == (&b.identity, b.sha256));

    let mut gatherer = gate.gatherer(&apt, Network::Allowed).map_err(wrong)?;
    can_be_kept(&gate)?;
    let progress = Progress::of("", questions.len());
    let surveyed = survey(&gate, questions, &mut *gatherer, now, |done| progress.at(done));
    drop(progress);
    drop(gatherer);

    let export = |path| {
        let stock =
            Stock::of(&gate, &apt).ok_or_else(|| wrong("the configuration cannot be used"))?;
        let about = surveyed.iter().map(|it| it.identity.artifact_name()).collect();
        export::write(&stock, &about, path, now)
    };
    // The answers are printed even if the export failed.
    let exported = arguments.output.as_deref().map(export).transpose();
    let written = exported.as_ref().ok().and_then(Option::as_ref);
    let said = if arguments.json {
        let packages = surveyed.iter().map(shown).collect();
        json(&Fetched { schema: 1, packages, exported: written })
    } else {
        text(&surveyed) + &written.map(Exported::text).unwrap_or_default()
    };
    let exit = print(&said, exit_of(&surveyed, &unlisted));
    exported.map(|_| exit)
}

fn shown(it: &Surveyed) -> FetchedPackage<'_> {
    FetchedPackage {
        identity: &it.identity,
        sha256: it.sha256,
        signed: &it.signed,
        differ: &it.differ,
        silent: &it.silent,
    }
}

/// Returns the exit code. A silent rebuilder matters only where no other one was heard: any
/// attestation is enough to go on with.
fn exit_of(surveyed: &[Surveyed], unlisted: &[Named]) -> Exit {
    if !unlisted.is_empty() {
        Exit::Refused
    } else if surveyed.iter().any(|it| it.signed.is_empty() && !it.silent.is_empty()) {
        Exit::CouldNotFindOut
    } else {
        Exit::Admitted
    }
}

fn text(surveyed: &[Surveyed]) -> String {
    let names = |list: &BTreeSet<RebuilderName>| {
        list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    let mut text = String::new();
    for it in surveyed {
        text += &match it.signed.len() {
            0 => format!("{}: nobody signed it", it.identity),
            count => format!(
                "{}: signed by {} ({})",
                it.identity,
                counted(count, "rebuilder"),
                names(&it.signed)
            ),
        };
        if !it.differ.is_empty() {
            text += &format!("; ANOTHER FILE signed by {}", names(&it.differ));
        }
        if !it.silent.is_empty() {
            text += &format!("; not heard: {}", names(&it.silent));
        }
        text += ".\n";
    }
    let with = surveyed.iter().filter(|it| !it.signed.is_empty()).count();
    let asked = counted(surveyed.len(), "package");
    text += &format!("asked about {asked}: there is evidence for {with} of them.\n");
    text
}

/// Checks that the user can write to the cache, because the evidence that is fetched goes there.
fn can_be_kept(gate: &Gate) -> Result<(), Failed> {
    if nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    let directory = gate.cache().directory();
    let writable = std::fs::create_dir_all(directory)
        .and_then(|()| Ok(nix::unistd::access(directory, nix::unistd::AccessFlags::W_OK)?));
    writable.map_err(|error| {
        wrong(format!(
            "what is fetched cannot be kept in {}: {}. Run this as root, or name another cache \
             (APT::Quorum::Cache)",
            directory.display(),
            plain(&error)
        ))
    })
}

/// Reads a list of packages: `NAME VERSION ARCH` or `NAME=VERSION` in each line, and comments.
fn read_list(path: &Path) -> Result<Vec<Named>, Failed> {
    let shown = printable(&path.to_string_lossy()).to_string();
    let unreadable = || {
        wrong(format!("{shown}: not a file of text with at most {MAX_LIST} bytes that can be read"))
    };
    // Followed if it is a link: a person named it.
    let real = path.canonicalize().map_err(|error| wrong(format!("{shown}: {}", plain(&error))))?;
    let bytes = read_bounded(&real, MAX_LIST).ok_or_else(unreadable)?;
    let text = String::from_utf8(bytes).map_err(|_| unreadable())?;
    let mut list = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let named = named(line).map_err(|why| wrong(format!("{shown}:{}: {why}", at + 1)))?;
        list.push(named);
    }
    Ok(list)
}

fn named(line: &str) -> Result<Named, String> {
    let parts: Vec<&str> = line.split_ascii_whitespace().collect();
    let (package, version, architecture) = match parts.as_slice() {
        [package, version, architecture] => (*package, *version, Some(*architecture)),
        [both] => {
            let both = both.split_once('=').ok_or("write NAME VERSION ARCH or NAME=VERSION")?;
            (both.0, both.1, None)
        }
        _ => return Err("write NAME VERSION ARCH or NAME=VERSION".to_owned()),
    };
    let text = |error: crate::types::NameError| error.to_string();
    Ok(Named {
        package: package.parse().map_err(text)?,
        version: version.parse().map_err(text)?,
        architecture: architecture.map(str::parse).transpose().map_err(text)?,
    })
}

/// Returns the packages that apt would upgrade, as it would do it.
fn upgrades() -> Result<Vec<Named>, Failed> {
    let simulated = simulate::installed_by(&["dist-upgrade"]).map_err(|why| Failed {
        exit: Exit::CouldNotFindOut,
        why: format!("apt-get does not tell what it would upgrade: {why}"),
    })?;
    let named = |it: Identity| Named {
        package: it.package,
        version: it.version,
        architecture: Some(it.architecture),
    };
    for line in &simulated.odd {
        complain(&format!("apt-quorum: not understood, so nobody is asked about it: {line}.\n"));
    }
    Ok(simulated.packages.into_iter().map(named).collect())
}

/// Looks up the hashes of these packages in apt's indexes, and the architectures of those that are
/// named without one. Returns the packages that cannot be asked about.
fn resolve(gate: &Gate, named: Vec<Named>, questions: &mut Vec<Question>) -> Vec<Named> {
    let mut found: BTreeMap<(PackageName, DebVersion), BTreeSet<(Identity, Sha256Digest)>> = named
        .iter()
        .map(|it| ((it.package.clone(), it.version.clone()), BTreeSet::new()))
        .collect();
    if !found.is_empty() {
        gate.each_listed(|sha256, identity| {
            let key = (identity.package.clone(), identity.version.clone());
            if let Some(files) = found.get_mut(&key) {
                files.insert((identity, sha256));
            }
        });
    }
    let mut unlisted = Vec::new();
    for it in named {
        let key = (it.package.clone(), it.version.clone());
        let files = found.get(&key).into_iter().flatten();
        let fits = |architecture: &Architecture| {
            it.architecture.as_ref().is_none_or(|wanted| wanted == architecture)
        };
        let files: Vec<_> = files.filter(|(its, _)| fits(&its.architecture)).collect();
        let question = |identity, sha256| Question { identity, source: None, sha256 };
        match (&it.architecture, files.is_empty()) {
            (Some(architecture), true) => {
                let ((package, version), architecture) = (key, architecture.clone());
                questions.push(question(Identity { package, version, architecture }, None));
            }
            (None, true) => unlisted.push(it),
            // The name is written as in the index, because the attestation has it so.
            (_, false) => questions.extend(
                files.into_iter().map(|(its, sha256)| question(its.clone(), Some(*sha256))),
            ),
        }
    }
    unlisted
}
