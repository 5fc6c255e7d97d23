//! A file that is going to be judged, and the current knowledge about it.

use std::path::{Path, PathBuf};

use crate::apt::message::Message;
use crate::gate::Inquiry;
use crate::policy::Subject;
use crate::types::{Identity, Sha256Digest};

/// A file that is going to be judged.
pub(super) struct Case {
    /// apt's identity of the package, from the name under which apt wants the file
    pub(super) requested: Option<Identity>,
    /// The SHA-256 that apt told
    pub(super) expected: Option<Sha256Digest>,
    /// The path of the file until it passes, if that differs from the one that apt wants
    pub(super) waits_as: Option<PathBuf>,
    pub(super) known: Known,
    /// The file, once it was hashed
    pub(super) subject: Option<Subject>,
    /// The wrapped method's 200, as long as apt can be shown another message in its place
    pub(super) begun: Option<Message>,
    /// The number of rebuilders that had answered when apt was last told
    told: Option<usize>,
    /// The wrapped method's 201
    pub(super) done: Option<Message>,
}

/// The current knowledge about a file.
pub(super) enum Known {
    /// Nothing, and no search is under way.
    Nothing,
    /// The evidence at hand is being searched for.
    Soon,
    /// The evidence at hand and the rebuilders' answers.
    Inquiry(Box<Inquiry>),
}

impl Case {
    /// A file that apt wants at `destination`.
    pub(super) fn new(destination: &Path, expected: Option<Sha256Digest>) -> Self {
        Self {
            requested: identity_in_name(destination),
            expected,
            waits_as: None,
            known: Known::Nothing,
            subject: None,
            begun: None,
            told: None,
            done: None,
        }
    }

    /// Returns the message that apt shows while answers are awaited. Returns nothing if no answers
    /// are to come, or if apt already shows the same.
    pub(super) fn waiting(&mut self) -> Option<Message> {
        let Known::Inquiry(inquiry) = &self.known else { return None };
        if inquiry.is_complete() {
            return None;
        }
        let (heard, all) = inquiry.heard();
        if self.told.replace(heard) == Some(heard) {
            return None;
        }
        let package = &self.requested.as_ref()?.package;
        let noun = if all == 1 { "rebuilder" } else { "rebuilders" };
        let text =
            format!("Waiting for evidence about {package} ({heard} of {all} {noun} answered)");
        Some(Message::new(102, "Status").with("Message", text))
    }
}

/// Parses apt's identity of a package from the name under which apt wants it. apt builds that name
/// from the package's name, version and architecture, with `_` and `:` quoted (`pkgAcqArchive`,
/// apt-pkg/acquire-item.cc). Returns nothing for a name of another form.
fn identity_in_name(destination: &Path) -> Option<Identity> {
    let name = destination.file_name()?.to_str()?;
    let (stem, _) = name.rsplit_once('.')?;
    Identity::of_stem(stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apts_own_names_tell_what_it_wants() {
        for (name, expected) in [
            ("epochpkg_1%3a2.0+b1~rc1-1_all.deb", Some("epochpkg 1:2.0+b1~rc1-1 all")),
            ("libstdc++6_12.2.0-14_amd64.deb", Some("libstdc++6 12.2.0-14 amd64")),
            ("node%5fexporter_1.0_all.deb", Some("node_exporter 1.0 all")),
            ("r_1_all.deb", Some("r 1 all")),
            ("xx_1_all.index", Some("xx 1 all")),
            ("xx_1_all_more.deb", None),
            ("xx_1.deb", None),
            ("hello_2.10.orig.tar.gz", None),
        ] {
            let path = Path::new("/var/cache/apt/archives/partial").join(name);
            assert_eq!(
                identity_in_name(&path).map(|it| it.to_string()).as_deref(),
                expected,
                "{name}"
            );
        }
    }
}
