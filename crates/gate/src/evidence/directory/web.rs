//! A tree on a web server.
//!
//! Such servers do not list their files, so each package's directory has a list,
//! `NAME_VERSION_ARCH.deb/SHA256SUMS`, as sha256sum(1) writes it. It costs one request for each
//! package, and one for each attestation. A list for the whole tree would have to be fetched as a
//! whole for a single package.

use reqwest::Url;

use super::super::bundle::LIST;
use super::super::fetch::{Collection, Failure, Fetch};
use super::super::http::Door;
use super::super::{EndpointSource, Gathering, MAX_ATTESTATIONS, Question};
use crate::policy::Outcome;
use crate::types::{ArtifactName, Sha256Digest};

/// Largest list that is read, in bytes.
const MAX_LIST: usize = 64 * 1024;

/// A tree below a URL, which ends in a slash.
pub(super) struct WebTree {
    pub(super) url: Url,
    pub(super) door: Door,
}

impl EndpointSource for WebTree {
    fn gather<'a>(&'a self, question: &'a Question) -> Gathering<'a> {
        Box::pin(async move {
            let mut found = Collection::default();
            let artifact = question.identity.artifact_name();
            let result = collect(&self.url, &self.door, &artifact, &mut found).await;
            found.finish(result)
        })
    }
}

async fn collect(
    tree: &Url,
    door: &impl Fetch,
    artifact: &ArtifactName,
    found: &mut Collection,
) -> Result<Outcome, Failure> {
    let Some(list) = door.get(below(tree, artifact, LIST)?, MAX_LIST).await? else {
        return Ok(Outcome::Unknown);
    };
    for (sha256, name) in files(&list)? {
        if !found.fetch(door, below(tree, artifact, &name)?).await? {
            continue;
        }
        // The list is no more trusted than the file, but one of them is not the published one.
        if found.last().map(Sha256Digest::of) != Some(sha256) {
            found.drop_last();
            let why = format!("a file of {artifact} is not what {LIST} says");
            return Err(Failure::Malformed(why));
        }
    }
    Ok(match found.len() {
        0 => Outcome::Unknown,
        count => Outcome::Attestations { count },
    })
}

/// Returns the first files of a list, at most [`MAX_ATTESTATIONS`].
fn files(list: &[u8]) -> Result<Vec<(Sha256Digest, String)>, Failure> {
    let malformed = || Failure::Malformed(format!("{LIST} is not as sha256sum writes it"));
    let text = std::str::from_utf8(list).map_err(|_| malformed())?;
    let line = |line: &str| {
        let (sha256, rest) = line.split_at_checked(64)?;
        // `*` comes before the names of files that were read in binary mode.
        let name = rest.strip_prefix("  ").or_else(|| rest.strip_prefix(" *"))?;
        let name = name.strip_prefix("./").unwrap_or(name);
        let plain = !name.is_empty()
            && name.len() <= 255
            && !name.starts_with('.')
            && name.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '/' | '\\'));
        Some((sha256.parse().ok()?, name.to_owned())).filter(|_| plain)
    };
    let lines = text.lines().map(|it| line(it).ok_or_else(malformed));
    // sha256sum may have been called with `*`, so the earlier list may be in it.
    let lines = lines.filter(|it| !matches!(it, Ok((_, name)) if name == LIST));
    lines.take(MAX_ATTESTATIONS).collect()
}

fn below(tree: &Url, artifact: &ArtifactName, name: &str) -> Result<Url, Failure> {
    let mut url = tree.clone();
    let malformed = |()| Failure::Malformed("not a URL with a path".to_owned());
    url.path_segments_mut().map_err(malformed)?.pop_if_empty().extend([artifact.as_str(), name]);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &str) -> Option<Vec<String>> {
        let files = files(list.as_bytes()).ok()?;
        Some(files.into_iter().map(|(_, name)| name).collect())
    }

    #[test]
    fn lists_are_read_as_sha256sum_writes_them() {
        let sha256 = Sha256Digest::of(b"");
        let list = format!("{sha256}  a\n{sha256} *b\n{sha256}  ./c\n{sha256}  {LIST}\n");
        assert_eq!(names(&list), Some(vec!["a".into(), "b".into(), "c".into()]));
        assert_eq!(names(""), Some(Vec::new()));
        let many: String = (0..100).map(|n| format!("{sha256}  {n}\n")).collect();
        assert_eq!(names(&many).map(|it| it.len()), Some(MAX_ATTESTATIONS));
    }

    #[test]
    fn names_that_lead_elsewhere_make_a_list_malformed() {
        let sha256 = Sha256Digest::of(b"");
        for bad in ["../a", "a/b", ".a", "", "/etc/passwd", "a\\b", "\u{e9}", "a b", "./../a"] {
            assert_eq!(names(&format!("{sha256}  {bad}\n")), None, "{bad}");
        }
        for bad in ["x", "\n", "<html>", &format!("{sha256} a"), &format!("x{sha256}  a")] {
            assert_eq!(names(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_name_stays_below_the_tree_whatever_is_in_it() {
        let tree = Url::parse("https://alpha.example/some/where/").unwrap();
        let artifact = "g++_1:4~rc1_all.deb".replace("1:", "").parse().unwrap();
        let url = below(&tree, &artifact, "a?b#c%2e").ok().unwrap();
        let expected = "https://alpha.example/some/where/g++_4~rc1_all.deb/a%3Fb%23c%252e";
        assert_eq!(url.as_str(), expected);
    }
}
