//! `apt-quorum evidence fetch`: asks about packages before they are needed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Serialize;

use super::export::{self, Exported};
use super::open;
use crate::cli::args::EvidenceFetch;
use crate::cli::output::{about, complain, counted, json, list, path as shown, print};
use crate::cli::world::{Stop, now};
use crate::cli::{Exit, files, simulate};
use crate::evidence::{Question, Surveyed, survey};
use crate::gate::Gate;
use crate::sys::plain;
use crate::sys::terminal::Progress;
use crate::types::{Architecture, DebVersion, Identity, PackageName, Sha256Digest};

/// Largest list of packages that is read, in bytes.
const MAX_LIST: usize = 16 * 1024 * 1024;

/// A package as a list names it.
struct Wished {
    package: PackageName,
    version: DebVersion,
    architecture: Option<Architecture>,
}

/// The JSON that `--json` prints.
#[derive(Serialize)]
struct FetchRecord<'a> {
    schema: u32,
    packages: &'a [Surveyed],
    #[serde(skip_serializing_if = "Option::is_none")]
    exported: Option<&'a Exported>,
}

pub(super) fn run(arguments: &EvidenceFetch) -> Result<Exit, Stop> {
    let now = now();
    let mut questions = Vec::new();
    for path in &arguments.files {
        let (control, sha256) = files::package(path).map_err(Stop::wrong)?;
        let (identity, source) = (control.identity, Some(control.source));
        questions.push(Question { identity, source, sha256: Some(sha256) });
    }
    let mut named = Vec::new();
    for path in &arguments.packages {
        named.extend(read_list(path)?);
    }
    let court = open(&arguments.directory)?;
    let gate = &court.gate;
    if arguments.upgrades {
        named.extend(upgrades()?);
    }
    let unlisted = resolve(gate, named, &mut questions);
    for named in &unlisted {
        complain(&format!(
            "apt-quorum: no index of apt lists {} {}: name its architecture as well.\n",
            named.package, named.version
        ));
    }
    // The order of the list is of no use, and neither is the same question twice.
    questions.sort_by(|a, b| (&a.identity, a.sha256).cmp(&(&b.identity, b.sha256)));
    questions.dedup_by(|a, b| (&a.identity, a.sha256) == (&b.identity, b.sha256));

    let mut gatherer = court.gatherer()?;
    can_be_kept(gate)?;
    let progress = Progress::of("", questions.len());
    let surveyed = survey(gate, questions, &mut *gatherer, now, |done| progress.at(done));
    drop(progress);
    drop(gatherer);

    let export = |path| {
        let stock = export::stock(&court)?;
        let about = surveyed.iter().map(|it| it.identity.artifact_name()).collect();
        export::write(&stock, &about, path, now)
    };
    // The answers are printed even if the export failed.
    let exported = arguments.output.as_deref().map(export).transpose();
    let written = exported.as_ref().ok().and_then(Option::as_ref);
    let said = if arguments.json {
        json(&FetchRecord { schema: 1, packages: &surveyed, exported: written })
    } else {
        text(&surveyed) + &written.map(Exported::text).unwrap_or_default()
    };
    let exit = print(&said, exit_of(&surveyed, &unlisted));
    exported.map(|_| exit)
}

/// Returns the exit code. A silent rebuilder matters only where no other one was heard: any
/// attestation is enough to go on with.
fn exit_of(surveyed: &[Surveyed], unlisted: &[Wished]) -> Exit {
    if !unlisted.is_empty() {
        Exit::Refused
    } else if surveyed.iter().any(|it| it.signed.is_empty() && !it.silent.is_empty()) {
        Exit::CouldNotFindOut
    } else {
        Exit::Admitted
    }
}

fn text(surveyed: &[Surveyed]) -> String {
    let mut text = String::new();
    for it in surveyed {
        text += &match it.signed.len() {
            0 => format!("{}: no signature", it.identity),
            count => format!(
                "{}: signed by {} ({})",
                it.identity,
                counted(count, "rebuilder"),
                list(&it.signed)
            ),
        };
        if !it.differ.is_empty() {
            text += &format!("; A DIFFERENT FILE signed by {}", list(&it.differ));
        }
        if !it.silent.is_empty() {
            text += &format!("; no answer: {}", list(&it.silent));
        }
        text += ".\n";
    }
    let with = surveyed.iter().filter(|it| !it.signed.is_empty()).count();
    let asked = counted(surveyed.len(), "package");
    text += &format!("asked about {asked}: there is evidence for {with} of them.\n");
    text
}

/// Checks that the user can write to the cache, because the evidence that is fetched goes there.
fn can_be_kept(gate: &Gate) -> Result<(), Stop> {
    if nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    let directory = gate.cache().directory();
    let writable = std::fs::create_dir_all(directory)
        .and_then(|()| Ok(nix::unistd::access(directory, nix::unistd::AccessFlags::W_OK)?));
    writable.map_err(|error| {
        Stop::wrong(format!(
            "cannot write to the cache {}. Run this as root, or set another cache in apt's \
             configuration (APT::Quorum::Cache)",
            about(directory, &plain(&error))
        ))
    })
}

/// Reads a list of packages: `NAME VERSION ARCH` or `NAME=VERSION` in each line, and comments.
fn read_list(path: &Path) -> Result<Vec<Wished>, Stop> {
    let wanted = format!("not a readable text file of at most {MAX_LIST} bytes");
    let bytes = files::plain_file(path, MAX_LIST, &wanted).map_err(Stop::wrong)?;
    let text = String::from_utf8(bytes).map_err(|_| Stop::wrong(about(path, &wanted)))?;
    let mut list = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let wrong = |why| Stop::wrong(format!("{}:{}: {why}", shown(path), at + 1));
        list.push(named(line).map_err(wrong)?);
    }
    Ok(list)
}

fn named(line: &str) -> Result<Wished, String> {
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
    Ok(Wished {
        package: package.parse().map_err(text)?,
        version: version.parse().map_err(text)?,
        architecture: architecture.map(str::parse).transpose().map_err(text)?,
    })
}

/// Returns the packages that apt would upgrade, as it would do it.
fn upgrades() -> Result<Vec<Wished>, Stop> {
    let simulated = simulate::upgraded()?;
    let named = |it: Identity| Wished {
        package: it.package,
        version: it.version,
        architecture: Some(it.architecture),
    };
    for line in &simulated.odd {
        complain(&format!(
            "apt-quorum: not understood, so no rebuilder is asked about it: {line}.\n"
        ));
    }
    Ok(simulated.packages.into_iter().map(named).collect())
}

/// Looks up the hashes of these packages in apt's indexes, and the architectures of those that are
/// named without one. Returns the packages that cannot be asked about.
fn resolve(gate: &Gate, named: Vec<Wished>, questions: &mut Vec<Question>) -> Vec<Wished> {
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
