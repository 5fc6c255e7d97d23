//! The files that PackageRebuilder publishes and apt-transport-in-toto asks for.
//!
//! Below the endpoint's URL: `sources/NAME/VERSION/rebuild.KEYID.ARCH.link` for each architecture,
//! `rebuild.KEYID.link` with the products of all of them, and `metadata`, which leads to the
//! latter. KEYID is the first eight digits of the key's id. NAME is the source package's; the
//! names of its binaries lead to it. VERSION is the source's. (PackageRebuilder's
//! `app/libs/attester.py`; apt-transport-in-toto's `intoto.py`.)
//!
//! Rebuilds with a different result are under `unreproducible/`, signed with another key. Nothing
//! here ever asks for them, and `config` takes no URL that leads there.

use reqwest::Url;

use super::fetch::{Collection, Failure, Fetch};
use super::http::Door;
use super::{EndpointSource, Gathering, Question};
use crate::policy::Outcome;
use crate::types::{ArtifactName, PackageName};

/// Most keys of a rebuilder by whose names files are looked for.
const MAX_KEYS: usize = 8;

/// A tree of links.
pub(super) struct IntotoMetadata<D = Door> {
    base: Url,
    door: D,
    /// The first eight digits of the ids of the rebuilder's keys
    key_ids: Vec<String>,
}

impl<D: Fetch> IntotoMetadata<D> {
    /// The tree at `base`, which ends with a slash, of a rebuilder whose keys have these ids.
    pub(super) fn new<'k>(base: Url, door: D, key_ids: impl Iterator<Item = &'k str>) -> Self {
        let mut key_ids: Vec<String> = key_ids
            .filter_map(|id| id.get(..8))
            .map(str::to_ascii_lowercase)
            .take(MAX_KEYS)
            .collect();
        key_ids.sort();
        key_ids.dedup();
        Self { base, door, key_ids }
    }

    async fn search(
        &self,
        question: &Question,
        found: &mut Collection,
    ) -> Result<Outcome, Failure> {
        let artifact = question.identity.artifact_name();
        for (name, version) in packages(question) {
            for version in spellings(&version) {
                if self.look_in(&name, &version, question, &artifact, found).await? {
                    return Ok(Outcome::Attestations { count: found.len() });
                }
            }
        }
        Ok(match found.len() {
            0 => Outcome::Unknown,
            count => Outcome::Attestations { count },
        })
    }

    /// Fetches from one directory until a file mentions `artifact`, and returns true when one does.
    async fn look_in(
        &self,
        name: &str,
        version: &str,
        question: &Question,
        artifact: &ArtifactName,
        found: &mut Collection,
    ) -> Result<bool, Failure> {
        let architecture = question.identity.architecture.as_str();
        let mut files = vec!["metadata".to_owned()];
        for id in &self.key_ids {
            // Each architecture's own file may be newer than the merged one.
            files.push(format!("rebuild.{id}.{architecture}.link"));
            files.push(format!("rebuild.{id}.link"));
        }
        for file in files {
            let url = self.url(name, version, &file)?;
            // A hint, which saves requests: verification shows what the bytes claim.
            if found.fetch(&self.door, url).await?
                && found.last().is_some_and(|it| mentions(it, artifact.as_str()))
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn url(&self, name: &str, version: &str, file: &str) -> Result<Url, Failure> {
        let mut url = self.base.clone();
        let cannot = || Failure::Malformed("nothing can be added to this URL".to_owned());
        url.path_segments_mut()
            .map_err(|()| cannot())?
            .pop_if_empty()
            // Encodes a `%` as %25.
            .extend(["sources", name, version, file]);
        Ok(url)
    }
}

impl<D: Fetch> EndpointSource for IntotoMetadata<D> {
    fn gather<'a>(&'a self, question: &'a Question) -> Gathering<'a> {
        Box::pin(async move {
            let mut found = Collection::default();
            let result = self.search(question, &mut found).await;
            found.finish(result)
        })
    }
}

/// Returns the names and versions under which a package may be published: those of its source, if
/// known, and its own.
fn packages(question: &Question) -> Vec<(String, String)> {
    let own = (question.identity.package.to_string(), question.identity.version.to_string());
    // A source name that only dpkg accepts is no name of a directory.
    let source =
        question.source.as_ref().filter(|(name, _)| name.as_str().parse::<PackageName>().is_ok());
    let source = source.map(|(name, version)| (name.to_string(), version.to_string()));
    // A rebuild without changes to the source (+bN) is under the source's version.
    let other = source.as_ref().map(|(_, version)| (own.0.clone(), version.clone()));
    let mut all: Vec<(String, String)> = Vec::new();
    for package in source.into_iter().chain([own]).chain(other) {
        if !all.contains(&package) {
            all.push(package);
        }
    }
    all
}

/// Returns the ways in which a directory may spell a version: unchanged, or with apt's spelling of
/// the epoch's colon.
fn spellings(version: &str) -> Vec<String> {
    let mut all = vec![version.to_owned()];
    if version.contains(':') {
        all.push(version.replace(':', "%3a"));
    }
    all
}

fn mentions(document: &[u8], name: &str) -> bool {
    memchr::memmem::find(document, name.as_bytes()).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::http::DoorError;
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    /// A tree of files that notes what it is asked for.
    #[derive(Default)]
    struct Tree {
        files: BTreeMap<&'static str, &'static str>,
        asked: RefCell<Vec<String>>,
    }

    impl Fetch for &Tree {
        async fn get(&self, url: Url, limit: usize) -> Result<Option<Vec<u8>>, DoorError> {
            let path = url.path().to_owned();
            self.asked.borrow_mut().push(path.clone());
            match self.files.get(path.as_str()) {
                Some(&"500") => Err(DoorError::Server(500)),
                Some(text) if text.len() > limit => Err(DoorError::TooLarge(limit)),
                found => Ok(found.map(|text| text.as_bytes().to_vec())),
            }
        }
    }

    fn question(identity: &str, source: Option<(&str, &str)>) -> Question {
        let mut parts = identity.split(' ');
        let mut part = || parts.next().unwrap();
        Question {
            identity: crate::types::Identity {
                package: part().parse().unwrap(),
                version: part().parse().unwrap(),
                architecture: part().parse().unwrap(),
            },
            source: source.map(|(name, version)| (name.parse().unwrap(), version.parse().unwrap())),
            sha256: None,
        }
    }

    fn gather(tree: &Tree, question: &Question) -> (Vec<String>, Outcome) {
        let base = "https://rebuilder.example/debian/".parse().unwrap();
        let ids = ["DEADBEEF00112233", "0123456789"].into_iter();
        let endpoint = IntotoMetadata::new(base, tree, ids);
        let mut gathering = endpoint.gather(question);
        let mut nobody = std::task::Context::from_waker(std::task::Waker::noop());
        let std::task::Poll::Ready(gathered) = gathering.as_mut().poll(&mut nobody) else {
            panic!("all answers are there");
        };
        let text = |it: &Vec<u8>| String::from_utf8(it.clone()).unwrap();
        (gathered.attestations.iter().map(text).collect(), gathered.outcome)
    }

    #[test]
    fn one_request_is_enough_where_metadata_speaks_of_the_file() {
        let mut tree = Tree::default();
        let path = "/debian/sources/src/1.0-1/metadata";
        tree.files.insert(path, "link about bin_1.0-1_amd64.deb");
        let question = question("bin 1.0-1 amd64", Some(("src", "1.0-1")));
        let (found, outcome) = gather(&tree, &question);
        assert_eq!(found.len(), 1);
        assert_eq!(outcome, Outcome::Attestations { count: 1 });
        assert_eq!(*tree.asked.borrow(), [path]);
    }

    #[test]
    fn an_architectures_own_link_is_looked_for_where_the_merged_one_lacks_the_file() {
        let mut tree = Tree::default();
        tree.files.insert("/debian/sources/src/1.0-1/metadata", "about bin_1.0-1_arm64.deb");
        tree.files.insert(
            "/debian/sources/src/1.0-1/rebuild.deadbeef.amd64.link",
            "about bin_1.0-1_amd64.deb",
        );
        let question = question("bin 1.0-1 amd64", Some(("src", "1.0-1")));
        let (found, outcome) = gather(&tree, &question);
        assert_eq!(found, ["about bin_1.0-1_arm64.deb", "about bin_1.0-1_amd64.deb"]);
        assert_eq!(outcome, Outcome::Attestations { count: 2 });
    }

    #[test]
    fn an_epoch_is_looked_for_in_both_spellings_under_all_names() {
        let tree = Tree::default();
        let question = question("bin 2:1.0-1+b1 amd64", Some(("src", "1:1.0-1")));
        assert_eq!(gather(&tree, &question), (Vec::new(), Outcome::Unknown));
        let asked = tree.asked.borrow();
        let metadata: Vec<&str> = asked
            .iter()
            .filter_map(|path| path.strip_prefix("/debian/sources/")?.strip_suffix("/metadata"))
            .collect();
        assert_eq!(
            metadata,
            [
                "src/1:1.0-1",
                "src/1%253a1.0-1",
                "bin/2:1.0-1+b1",
                "bin/2%253a1.0-1+b1",
                "bin/1:1.0-1",
                "bin/1%253a1.0-1"
            ]
        );
        // Each with `metadata` and two files for each of two keys, and no more.
        assert_eq!(asked.len(), 6 * 5);
        assert!(asked.iter().all(|path| !path.contains("unreproducible")));
    }

    #[test]
    fn without_the_source_the_binarys_own_name_is_looked_for() {
        let mut tree = Tree::default();
        tree.files.insert("/debian/sources/bin/1.0-1/rebuild.01234567.link", "bin_1.0-1_all.deb");
        let (found, _) = gather(&tree, &question("bin 1.0-1 all", None));
        assert_eq!(found, ["bin_1.0-1_all.deb"]);
    }

    #[test]
    fn a_server_in_trouble_is_not_taken_for_one_that_has_nothing() {
        let mut tree = Tree::default();
        tree.files.insert("/debian/sources/bin/1.0-1/rebuild.01234567.all.link", "500");
        let (found, outcome) = gather(&tree, &question("bin 1.0-1 all", None));
        assert!(found.is_empty());
        assert!(matches!(outcome, Outcome::Unreachable { .. }), "{outcome:?}");
    }
}
