//! `apt-quorum evidence export`: hands out this machine's evidence to others.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Serialize;

use super::output::EvidenceOutput;
use super::{Rejected, open, reasons};
use crate::cli::args::EvidenceExport;
use crate::cli::judging::Court;
use crate::cli::output::{counted, json, path as shown, print};
use crate::cli::world::{Stop, now};
use crate::cli::{Exit, files};
use crate::evidence::Stock;
use crate::sys::plain;
use crate::types::{ArtifactName, DebVersion, PackageName, Timestamp, printable};

/// The result of an export, as JSON.
#[derive(Debug, Default, Serialize)]
pub(super) struct Exported {
    schema: u32,
    output: String,
    packages: usize,
    attestations: usize,
    /// Attestations at hand that make no claim here, and so are left out
    rejected: Rejected,
    /// Arguments about which there is nothing
    missing: Vec<String>,
}

pub(super) fn run(arguments: &EvidenceExport) -> Result<Exit, Stop> {
    let now = now();
    let wanted = arguments
        .wanted
        .iter()
        .map(|text| WantedEvidence::read(text))
        .collect::<Result<Vec<_>, _>>()?;
    let court = open(&arguments.directory)?;
    let stock = stock(&court)?;
    let all = stock
        .artifacts()
        .map_err(|error| Stop::refused(format!("the cache cannot be read: {}", plain(&error))))?;
    let chosen =
        |artifact: &&ArtifactName| wanted.is_empty() || wanted.iter().any(|it| it.is(artifact));
    let chosen: BTreeSet<ArtifactName> = all.iter().filter(chosen).cloned().collect();
    let mut exported = write(&stock, &chosen, &arguments.output, now)?;
    let missing = wanted.iter().filter(|it| !chosen.iter().any(|artifact| it.is(artifact)));
    exported.missing = missing.map(|it| it.text.clone()).collect();
    let exit = if exported.missing.is_empty() { Exit::Admitted } else { Exit::Refused };
    Ok(print(&if arguments.json { json(&exported) } else { exported.text() }, exit))
}

/// Returns the evidence on this machine.
pub(super) fn stock(court: &Court) -> Result<Stock<'_>, Stop> {
    let stock = Stock::of(&court.gate, &court.apt);
    stock.ok_or_else(|| Stop::wrong("the configuration cannot be used"))
}

/// Writes the attestations at hand about these artifacts.
pub(super) fn write(
    stock: &Stock<'_>,
    artifacts: &BTreeSet<ArtifactName>,
    path: &Path,
    now: Timestamp,
) -> Result<Exported, Stop> {
    let mut exported = Exported { schema: 1, output: shown(path), ..Exported::default() };
    let mut output = EvidenceOutput::begin(path)?;
    for artifact in artifacts {
        let (signed, rejected) = stock.about(artifact, now);
        rejected.iter().for_each(|it| super::count(&mut exported.rejected, it));
        if signed.is_empty() {
            continue;
        }
        if let Err(failed) = output.add(artifact, &signed) {
            output.abandon();
            return Err(failed);
        }
        exported.packages += 1;
        exported.attestations += signed.len();
    }
    if exported.attestations == 0 {
        output.abandon();
        return Err(Stop::refused(
            "nothing to export: no attestation on this machine is signed with a trusted key",
        ));
    }
    output.finish()?;
    Ok(exported)
}

impl Exported {
    pub(super) fn text(&self) -> String {
        let attestations = counted(self.attestations, "attestation");
        let packages = counted(self.packages, "package");
        let mut text = format!("wrote {attestations} about {packages} to {}.\n", self.output);
        if !self.rejected.is_empty() {
            text += &format!("  left out: {}.\n", reasons(&self.rejected));
        }
        for missing in &self.missing {
            text += &format!("  no attestation on this machine about {}.\n", printable(missing));
        }
        text
    }
}

/// One argument of an export.
struct WantedEvidence {
    text: String,
    what: What,
}

enum What {
    /// Attestations about the package in this file
    File(ArtifactName),
    Package(PackageName, Option<DebVersion>),
}

impl WantedEvidence {
    /// Reads a file if the text is written as one. Otherwise parses `NAME` or `NAME=VERSION`.
    fn read(text: &str) -> Result<Self, Stop> {
        let what = if files::is_file(text) {
            let (control, _) = files::package(Path::new(text)).map_err(Stop::wrong)?;
            What::File(control.identity.artifact_name())
        } else {
            let (name, version) = files::name_and_version(text);
            let named = |error| Stop::wrong(format!("{}: {error}", printable(text)));
            let version = version.map(str::parse::<DebVersion>).transpose().map_err(named)?;
            What::Package(name.parse().map_err(named)?, version)
        };
        Ok(Self { text: text.to_owned(), what })
    }

    fn is(&self, artifact: &ArtifactName) -> bool {
        match &self.what {
            What::File(name) => name == artifact,
            What::Package(package, version) => artifact.is_of(package, version.as_ref()),
        }
    }
}
