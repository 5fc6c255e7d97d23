//! `apt-quorum evidence import`: takes others' evidence into this machine's cache.
//!
//! The evidence is read as apt's unprivileged user where possible: only opening it, and reading the
//! configuration, needs more.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;

use serde::Serialize;

use super::{Rejected, count, open, reasons};
use crate::cache::Stored;
use crate::cli::Exit;
use crate::cli::args::EvidenceImport;
use crate::cli::output::{about, counted, json, print};
use crate::cli::world::{Stop, now};
use crate::evidence::bundle::Bundle;
use crate::evidence::{Taken, each_in_tree, take};
use crate::sys::plain;
use crate::types::ArtifactName;

/// The result of an import, as JSON.
#[derive(Debug, Default, Serialize)]
struct Imported {
    schema: u32,
    /// Attestations that are new in the cache
    taken: usize,
    /// Attestations that are in the cache already
    known: usize,
    /// Attestations that make no claim here
    rejected: Rejected,
    /// Attestations that could not be written
    failed: usize,
    /// The reason for the first such failure
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

pub(super) fn run(arguments: &EvidenceImport) -> Result<Exit, Stop> {
    let now = now();
    let path = &arguments.path;
    let named = |why: &dyn std::fmt::Display| about(path, why);
    let file = File::options()
        .read(true)
        .custom_flags(nix::fcntl::OFlag::O_NONBLOCK.bits())
        .open(path)
        .map_err(|error| Stop::wrong(named(&plain(&error))))?;
    let is_tree = file.metadata().is_ok_and(|it| it.is_dir());
    let court = open(&arguments.directory)?;
    let gate = &court.gate;
    if let Some(user) = gate.unprivileged(&court.apt).map_err(Stop::wrong)? {
        user.become_it().map_err(Stop::wrong)?;
    }
    let mut imported = Imported { schema: 1, ..Imported::default() };
    let mut keep = |artifact: ArtifactName, bytes: Vec<u8>| match take(gate, &artifact, &bytes, now)
    {
        Taken::Cached(Stored::New) => imported.taken += 1,
        Taken::Cached(Stored::Before) => imported.known += 1,
        Taken::Rejected(rejection) => count(&mut imported.rejected, &rejection),
        Taken::Failed(error) => {
            imported.failed += 1;
            imported.why.get_or_insert_with(|| plain(&error));
        }
    };
    if is_tree {
        each_in_tree(path, keep).map_err(|error| {
            let user = "evidence is read as apt's unprivileged user";
            Stop::refused(named(&format!("{} ({user})", plain(&error))))
        })?;
    } else {
        let bundle = Bundle::of_file(file).map_err(|error| Stop::refused(named(&error)))?;
        bundle.each(&mut keep).map_err(|error| Stop::refused(named(&error)))?;
    }
    let exit = imported.exit();
    Ok(print(&if arguments.json { json(&imported) } else { imported.text() }, exit))
}

impl Imported {
    /// Returns the exit code. An attestation that makes no claim here is no failure, because others
    /// may have asked for other rebuilders. An import without any claim is a failure.
    fn exit(&self) -> Exit {
        let useless = self.taken + self.known == 0;
        if self.failed > 0 || useless { Exit::Refused } else { Exit::Admitted }
    }

    fn text(&self) -> String {
        let mut text = format!("took {}", counted(self.taken, "attestation"));
        if self.known > 0 {
            text += &format!(", had {} already", self.known);
        }
        text += ".\n";
        if !self.rejected.is_empty() {
            text += &format!("  not taken: {}.\n", reasons(&self.rejected));
        }
        if let Some(why) = &self.why {
            text +=
                &format!("  {} could not be kept: {why}.\n", counted(self.failed, "attestation"));
        }
        if self.taken + self.known + self.failed == 0 && self.rejected.is_empty() {
            text +=
                "  no file there is named NAME_VERSION_ARCH.deb/... or NAME_VERSION_ARCH.deb...\n";
        }
        text
    }
}
