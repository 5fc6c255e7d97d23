//! The results of root's earlier hooks in the same run of apt, so that later ones neither ask nor
//! wait for them again.
//!
//! It contains nothing that could admit a file: only the time that each rebuilder has used up in the
//! run, and the answers of rebuilders that are no votes. Attestations are in the cache, and every
//! user of them verifies them. The file is root's own. The method, which is no longer root when it
//! works, reads it before it changes its user, and never writes it.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::parent_id;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Assessed;
use crate::config::Config;
use crate::policy::{Answer, Outcome};
use crate::sys::files::write_whole;
use crate::sys::secure::Trusted;
use crate::types::{ArtifactName, RebuilderName, Sha256Digest, Timestamp};

/// The file's name below `APT::Quorum::State`.
const FILE: &str = "run.json";

/// Version of the file's format. Another version is not read.
const FORMAT: u32 = 1;

/// The time for which that counts, in seconds. A run may wait at apt's question for a day, and some
/// programs have many runs in one process.
const LASTS: i64 = 15 * 60;

/// Largest file that is read or written, in bytes. An answer needs about 200.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// Most processes between apt and this one: shells.
const MAX_BETWEEN: usize = 3;

/// The process of apt that a run belongs to, identified by its number and its start
/// (proc_pid_stat(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct AptProcess {
    number: u32,
    /// The start in clock ticks since the system was started
    start: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct WrittenRun {
    format: u32,
    /// SHA-256 of the configuration in use
    policy: Sha256Digest,
    process: AptProcess,
    /// The time of writing, in seconds since 1970
    from: i64,
    /// In milliseconds
    used: BTreeMap<RebuilderName, u64>,
    answers: Vec<WrittenAnswers>,
}

#[derive(Debug, Serialize, Deserialize)]
struct WrittenAnswers {
    artifact: ArtifactName,
    sha256: Sha256Digest,
    answers: Vec<Answer>,
}

/// The results of this run so far.
#[derive(Debug, Default)]
pub(super) struct Run {
    /// The time that the run has waited for each rebuilder
    pub(super) used: BTreeMap<RebuilderName, Duration>,
    /// True if an earlier hook has already waited for answers that decide nothing
    pub(super) graced: bool,
    answers: BTreeMap<(ArtifactName, Sha256Digest), Vec<Answer>>,
    /// The time since which they count, in seconds since 1970
    from: Option<i64>,
}

impl Run {
    /// Reads the results below `state` of the run that this process is a part of, by the
    /// configuration `policy`. An unreadable file, or one that another user could have written,
    /// counts as empty.
    pub(super) fn recall(state: &Path, policy: Sha256Digest, now: Timestamp) -> Self {
        let Some(process) = process() else { return Self::default() };
        Self::recall_of(process, state, policy, now).unwrap_or_default()
    }

    fn recall_of(
        process: AptProcess,
        state: &Path,
        policy: Sha256Digest,
        now: Timestamp,
    ) -> Option<Self> {
        let text = Trusted::now().read(&state.join(FILE), MAX_BYTES).ok()?;
        let written: WrittenRun = serde_json::from_str(&text).ok()?;
        let age = now.as_unix().checked_sub(written.from)?;
        let same =
            written.format == FORMAT && written.policy == policy && written.process == process;
        if !same || !(0..LASTS).contains(&age) {
            return None;
        }
        let used = written.used.into_iter().map(|(name, it)| (name, Duration::from_millis(it)));
        let answers = written.answers.into_iter();
        Some(Self {
            used: used.collect(),
            graced: true,
            from: Some(written.from),
            answers: answers.map(|it| ((it.artifact, it.sha256), it.answers)).collect(),
        })
    }

    /// Forgets everything except the time: if a conflict refuses, every rebuilder is asked again.
    pub(super) fn forget_answers(&mut self) {
        self.graced = false;
        self.answers.clear();
    }

    /// The answers of rebuilders about this very file that are no votes.
    pub(super) fn answers(&self, artifact: &ArtifactName, sha256: Sha256Digest) -> &[Answer] {
        self.answers.get(&(artifact.clone(), sha256)).map(Vec::as_slice).unwrap_or_default()
    }

    /// Writes down below `state` the new results about this run of a hook that used `config`: the
    /// time that it has waited for each rebuilder, and the answers about these packages.
    ///
    /// # Errors
    /// If they cannot be written. Then rebuilders are asked again, and nothing is lost.
    pub(super) fn keep(
        &self,
        state: &Path,
        config: &Config,
        now: Timestamp,
        used: &BTreeMap<RebuilderName, Duration>,
        assessed: &[Assessed],
    ) -> std::io::Result<()> {
        let Some(process) = process() else { return Ok(()) };
        let mut written = self.written(process, config.digest, now, used);
        let archives = config.endpoints.iter().filter(|it| it.archive.is_some());
        let archives: BTreeSet<_> = archives.map(|it| (&it.rebuilder, it.url.as_str())).collect();
        let of_an_archive = |it: &Answer| archives.contains(&(&it.rebuilder, it.endpoint.as_str()));
        let is_kept = |it: &&Answer| is_kept(it, of_an_archive(it));
        written.answers.extend(assessed.iter().map(|it| WrittenAnswers {
            artifact: it.named.identity.artifact_name(),
            sha256: it.named.sha256,
            answers: it.answers.iter().filter(is_kept).cloned().collect(),
        }));
        written.answers.retain(|it| !it.answers.is_empty());
        let mut bytes = serde_json::to_vec(&written)?;
        if bytes.len() > MAX_BYTES {
            written.answers.clear();
            bytes = serde_json::to_vec(&written)?;
        }
        write_whole(&state.join(FILE), &bytes)
    }

    fn written(
        &self,
        process: AptProcess,
        policy: Sha256Digest,
        now: Timestamp,
        used: &BTreeMap<RebuilderName, Duration>,
    ) -> WrittenRun {
        let millis = |it: &Duration| u64::try_from(it.as_millis()).unwrap_or(u64::MAX);
        let answers = self.answers.iter().map(|((artifact, sha256), answers)| WrittenAnswers {
            artifact: artifact.clone(),
            sha256: *sha256,
            answers: answers.clone(),
        });
        WrittenRun {
            format: FORMAT,
            policy,
            process,
            // Results that are passed on keep their age.
            from: self.from.unwrap_or(now.as_unix()),
            used: used.iter().map(|(name, it)| (name.clone(), millis(it))).collect(),
            answers: answers.collect(),
        }
    }
}

/// Returns true when an answer is kept. Attestations are in the cache, where errors in them are
/// found again. A fetched archive says nothing about a single package: every hook looks up its
/// entries. An answer without an endpoint comes from no rebuilder.
fn is_kept(answer: &Answer, of_an_archive: bool) -> bool {
    let says_nothing = match answer.outcome {
        Outcome::Attestations { .. } | Outcome::Rejected { .. } => true,
        Outcome::Unknown => of_an_archive,
        _ => false,
    };
    !answer.endpoint.is_empty() && !says_nothing
}

/// The rebuilders and endpoints of these answers.
pub(super) fn endpoints(answers: &[Answer]) -> BTreeSet<(&RebuilderName, &str)> {
    answers.iter().map(|it| (&it.rebuilder, it.endpoint.as_str())).collect()
}

/// Returns the process that started this one: apt, skipping the shells that it starts hooks with.
fn process() -> Option<AptProcess> {
    let mut number = parent_id();
    for _ in 0..=MAX_BETWEEN {
        let text = std::fs::read_to_string(format!("/proc/{number}/stat")).ok()?;
        let (name, parent, start) = stat(&text)?;
        if !matches!(name, "sh" | "dash" | "bash") {
            return Some(AptProcess { number, start });
        }
        number = parent;
    }
    None
}

/// Parses the name, the parent and the start of a process. The name may contain any character, so
/// its end is the last bracket.
fn stat(text: &str) -> Option<(&str, u32, u64)> {
    let (head, rest) = text.rsplit_once(") ")?;
    let (_, name) = head.split_once('(')?;
    let mut fields = rest.split(' ');
    let parent = fields.nth(1)?.parse().ok()?;
    // Fields 3 and 4 are read; this is the 22nd.
    let start = fields.nth(17)?.parse().ok()?;
    Some((name, parent, start))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const PROCESS: AptProcess = AptProcess { number: 7, start: 70 };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix(seconds).unwrap()
    }

    fn policy() -> Sha256Digest {
        Sha256Digest::of(b"policy")
    }

    fn world() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let used = [("a".parse().unwrap(), Duration::from_millis(1500))].into();
        let written = Run::default().written(PROCESS, policy(), at(1000), &used);
        let bytes = serde_json::to_vec(&written).unwrap();
        write_whole(&directory.path().join(FILE), &bytes).unwrap();
        directory
    }

    fn recalls(state: &Path, process: AptProcess, policy: Sha256Digest, now: i64) -> bool {
        let run = Run::recall_of(process, state, policy, at(now));
        run.is_some_and(|it| {
            it.graced && it.used[&"a".parse().unwrap()] == Duration::from_millis(1500)
        })
    }

    #[test]
    fn the_same_run_by_the_same_configuration_goes_on() {
        let state = world();
        let state = state.path();
        assert!(recalls(state, PROCESS, policy(), 1000));
        assert!(recalls(state, PROCESS, policy(), 1000 + LASTS - 1));
        assert!(!recalls(state, PROCESS, policy(), 1000 + LASTS), "too late");
        assert!(!recalls(state, PROCESS, policy(), 999), "the clock was set back");
        assert!(!recalls(state, PROCESS, Sha256Digest::of(b"another"), 1000));
        for other in [AptProcess { number: 8, ..PROCESS }, AptProcess { start: 71, ..PROCESS }] {
            assert!(!recalls(state, other, policy(), 1000), "another run");
        }
    }

    #[test]
    fn what_others_could_have_written_or_that_is_damaged_was_forgotten() {
        let state = world();
        let state = state.path();
        let file = state.join(FILE);
        let good = fs::read_to_string(&file).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
        assert!(!recalls(state, PROCESS, policy(), 1000));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(recalls(state, PROCESS, policy(), 1000));
        for bad in ["", "{}", &good[..good.len() - 1], &good.replace("1500", "-1")] {
            fs::write(&file, bad).unwrap();
            assert!(!recalls(state, PROCESS, policy(), 1000), "{bad}");
        }
    }

    #[test]
    fn no_vote_is_handed_on_and_nothing_that_could_hide_one() {
        let why = || "x".to_owned();
        let attestation = Sha256Digest::of(b"x");
        for (outcome, of_an_archive, expected) in [
            (Outcome::Unknown, false, true),
            // Its files are at hand. Each hook looks up whether the package is in them.
            (Outcome::Unknown, true, false),
            (Outcome::Unreachable { why: why() }, true, true),
            (Outcome::Unreachable { why: why() }, false, true),
            (Outcome::Attestations { count: 1 }, false, false),
            (Outcome::Rejected { code: why(), why: why(), attestation }, false, false),
        ] {
            let endpoint = "https://a.example/".to_owned();
            let mut answer = Answer { rebuilder: "a".parse().unwrap(), endpoint, outcome };
            assert_eq!(is_kept(&answer, of_an_archive), expected, "{answer:?}");
            answer.endpoint.clear();
            assert!(!is_kept(&answer, of_an_archive), "{answer:?}");
        }
    }

    #[test]
    fn a_process_is_known_whatever_it_calls_itself() {
        let rest = "S 41 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 4711 23 24";
        for name in ["apt-get", "a) S 1 (b", "sh"] {
            let text = format!("40 ({name}) {rest}\n");
            assert_eq!(stat(&text), Some((name, 41, 4711)));
        }
        assert_eq!(stat("40 (x) S 41"), None);
        // Our own parent is there.
        assert!(process().is_some());
    }
}
