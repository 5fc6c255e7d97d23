//! The outputs of evidence: a bundle, or a tree for a web server.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::cli::output::{about, path as shown};
use crate::cli::world::Stop;
use crate::evidence::bundle::{LIST, Packer, SUFFIX, list};
use crate::sys::files::write_whole;
use crate::sys::plain;
use crate::types::{ArtifactName, Sha256Digest};

/// An output that is being written.
pub(super) enum EvidenceOutput {
    /// A bundle, under another name until it is complete
    Bundle {
        packer: Box<Packer<BufWriter<File>>>,
        temporary: PathBuf,
        path: PathBuf,
    },
    Tree(PathBuf),
}

impl EvidenceOutput {
    /// Begins an output: a tree if the path ends in a slash, and a bundle otherwise.
    pub(super) fn begin(path: &Path) -> Result<Self, Stop> {
        let text = path.to_string_lossy();
        let failed = |why: &dyn std::fmt::Display| Stop::refused(about(path, why));
        if text.ends_with('/') {
            fs::create_dir_all(path).map_err(|error| failed(&plain(&error)))?;
            return Ok(Self::Tree(path.to_owned()));
        }
        if !text.ends_with(SUFFIX) || path.is_dir() {
            return Err(Stop::wrong(format!(
                "{}: end the name in {SUFFIX} for a bundle, or in / for a tree",
                shown(path)
            )));
        }
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(format!(".{}", std::process::id()));
        let temporary = PathBuf::from(temporary);
        let _ = fs::remove_file(&temporary);
        let file = File::options().write(true).create_new(true).open(&temporary);
        let file = file.map_err(|error| failed(&plain(&error)))?;
        let begun = Packer::new(BufWriter::new(file)).map_err(|error| failed(&error));
        if begun.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        Ok(Self::Bundle { packer: Box::new(begun?), temporary, path: path.to_owned() })
    }

    /// Adds the attestations about one artifact.
    pub(super) fn add(&mut self, artifact: &ArtifactName, all: &[Vec<u8>]) -> Result<(), Stop> {
        match self {
            Self::Bundle { packer, path, .. } => {
                packer.add(artifact, all).map_err(|error| Stop::refused(about(path, &error)))
            }
            Self::Tree(path) => {
                let directory = path.join(artifact.as_str());
                let write = || {
                    fs::create_dir_all(&directory)?;
                    for bytes in all {
                        write_whole(&directory.join(Sha256Digest::of(bytes).to_string()), bytes)?;
                    }
                    write_whole(&directory.join(LIST), list(all).as_bytes())
                };
                write().map_err(|error| Stop::refused(about(&directory, &plain(&error))))
            }
        }
    }

    /// Ends the output, which is then there as a whole.
    pub(super) fn finish(self) -> Result<(), Stop> {
        let Self::Bundle { packer, temporary, path } = self else { return Ok(()) };
        let write = || {
            let mut file = packer.finish().map_err(|error| error.to_string())?;
            let synced = file.flush().and_then(|()| file.get_ref().sync_all());
            synced.and_then(|()| fs::rename(&temporary, &path)).map_err(|error| plain(&error))
        };
        let written = write();
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        written.map_err(|why| Stop::refused(about(&path, &why)))
    }

    /// Gives the output up, so that nothing half-written stays.
    pub(super) fn abandon(self) {
        if let Self::Bundle { temporary, .. } = self {
            let _ = fs::remove_file(temporary);
        }
    }
}
