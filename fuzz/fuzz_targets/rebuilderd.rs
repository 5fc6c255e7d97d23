//! A rebuilderd that answers whatever it likes. It can bring attestations, which are verified
//! elsewhere, and nothing more: not endless work, not endless memory, not a question to somebody
//! else, not a line of its own on the terminal.
//!
//! An input is the answers, in the order of the requests; the first byte of each is the kind.
#![no_main]

use std::cell::{Cell, RefCell};

use apt_quorum::attest::MAX_BYTES;
use apt_quorum::evidence::http::DoorError;
use apt_quorum::evidence::{MAX_ATTESTATIONS, Question};
use apt_quorum::fuzzing::{Url, rebuilderd};
use apt_quorum::policy::Outcome;
use apt_quorum_fuzz::parts;
use apt_quorum_fuzz::support::identity;
use libfuzzer_sys::fuzz_target;

/// Pages, builds, their artifacts and attestations; a bound by which endless work shows.
const MAX_REQUESTS: usize = 16 + 1 + 16 + 32 + 64;

fuzz_target!(|data: &[u8]| {
    let question =
        Question { identity: identity("hello 2.10-3+b1 amd64"), source: None, sha256: None };
    let base: Url = "https://rebuilder.example/some/where/".parse().unwrap();
    let answers = RefCell::new(parts(data));
    let requests = Cell::new(0);
    // Whether the last question was one of the older API, and whether the answer was that there is nothing
    let (apis, nothing) = (Cell::new(None), Cell::new(false));
    let given = RefCell::new(Vec::new());
    let last: RefCell<Option<Vec<u8>>> = RefCell::new(None);
    let (attestations, outcome) = rebuilderd(&base, &question, |url, limit| {
        requests.set(requests.get() + 1);
        assert!(requests.get() <= MAX_REQUESTS, "endless questions");
        assert_eq!((url.scheme(), url.host_str()), ("https", Some("rebuilder.example")));
        // The older API is tried where the newer one is not, and never after it.
        let older = url.path().starts_with("/some/where/api/v0/");
        assert!(older || url.path().starts_with("/some/where/api/v1/"), "{url}");
        assert!(!older || apis.get() != Some(false) || nothing.get(), "{url}: both APIs");
        assert!(older || apis.get() != Some(true), "{url}: back to the newer API");
        apis.set(Some(older));
        assert!(!url.path().contains("..") && limit <= MAX_BYTES);
        let answer = answers.borrow_mut().next().unwrap_or_default();
        let (kind, body) = answer.split_first().unwrap_or((&b'n', &[]));
        nothing.set(*kind == b'n' || (*kind == b'=' && last.borrow().is_none()));
        match kind {
            b'n' => Ok(None),
            b't' => Err(DoorError::Transport("broken".to_owned())),
            b's' => Err(DoorError::Server(500)),
            // The same again.
            b'=' => Ok(last.borrow().clone()),
            _ => {
                let body = body.to_vec();
                *last.borrow_mut() = Some(body.clone());
                given.borrow_mut().push(body.clone());
                if body.len() > limit { Err(DoorError::TooLarge(limit)) } else { Ok(Some(body)) }
            }
        }
    });
    assert!(attestations.len() <= MAX_ATTESTATIONS);
    assert!(attestations.iter().map(Vec::len).sum::<usize>() <= 2 * MAX_BYTES);
    // What comes back is what was given, byte for byte.
    assert!(attestations.iter().all(|it| given.borrow().contains(it)));
    match outcome {
        Outcome::Attestations { count } => {
            assert!(count > 0 && count == attestations.len());
        }
        Outcome::NoAttestation { more, .. } => {
            assert!(attestations.is_empty());
            assert!(more.is_none_or(|more| more.starts_with(base.as_str()) && more.is_ascii()));
        }
        Outcome::Unknown => assert!(attestations.is_empty()),
        Outcome::Malformed { why } | Outcome::Unreachable { why } => {
            assert!(why.len() < 200 && why.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
        }
        Outcome::Rejected { .. } => panic!("nothing is judged here"),
    }
});
