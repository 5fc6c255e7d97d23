//! The limits of simultaneous questions to one host.
//!
//! Over HTTP/2 all questions share one connection, over HTTP/1.1 each needs one of its own. The
//! first answer shows which of the two a server speaks. Until then it is sent one question:
//! otherwise there would be many connections where one is enough.
//!
//! After that it is sent few at a time, because each question may cause work for a rebuilder.
//! rebuilderd 0.28 has ten connections to its database. If attestations that were never fetched
//! before need more of them at once, it stops answering anyone for half a minute. No slower answer
//! announces that, so the limit cannot be found by trying. A cache that answers in its place, and
//! says so, has no such work: each such answer raises the limit by one question.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Url, Version};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// Questions under way at the same time while the host has work with them.
pub(super) const AT_WORK: usize = 8;

/// Most questions over HTTP/2 if a cache answers. Servers allow a hundred streams and more.
pub(super) const STREAMS: usize = 100;

/// Most questions to all hosts together, so that they fit into memory: one takes ten kilobytes.
/// Each host may have as many as any other, and [`AT_WORK`] in any case.
const EVERYWHERE: usize = 256;

/// Most questions over HTTP/1.1, each on a separate connection. There can be one connection more: a
/// question may have found another one free before its own was there.
pub(super) const CONNECTIONS: usize = 15;

/// Questions to one host whose answers may have more than [`SMALL`] bytes at the same time, so that
/// memory can hold them.
const LARGE: usize = 8;

/// The size that every answer may have, in bytes. An attestation usually has less than one
/// kilobyte.
pub(super) const SMALL: usize = 16 * 1024;

/// The right of a question to large answers, for as long as it keeps them.
pub(super) type Large = Option<OwnedSemaphorePermit>;

/// The simultaneous questions to one host, and their limits.
#[derive(Debug)]
pub(super) struct Line {
    questions: Semaphore,
    large: Arc<Semaphore>,
    /// The number of questions that are allowed now
    width: Cell<usize>,
    /// The number of questions above that limit, which were put when the limit was higher
    beyond: Cell<usize>,
    /// The highest limit if the server speaks HTTP/1.1
    connections: usize,
    /// The number of hosts that are asked
    hosts: Rc<Cell<usize>>,
    begun: Cell<bool>,
    /// The time of its last answer
    heard: Cell<Option<Instant>>,
}

/// The turn of a question, which ends when this value is dropped.
#[derive(Debug)]
pub(super) struct Turn(Rc<Line>);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// All hosts, by the key for which a connection can be reused: scheme, host and port.
#[derive(Debug, Clone, Default)]
pub(super) struct Lines {
    by_host: Rc<RefCell<HashMap<String, Rc<Line>>>>,
    hosts: Rc<Cell<usize>>,
}

impl Line {
    /// Makes the line for a host that was not asked yet, one of so many. `connections` is the limit
    /// if it speaks HTTP/1.1.
    fn new(connections: usize, hosts: Rc<Cell<usize>>) -> Rc<Self> {
        Self::of_width(1, connections, hosts)
    }

    /// Makes the line for evidence on this machine.
    pub(super) fn at_hand() -> Rc<Self> {
        let line = Self::of_width(LARGE, LARGE, Rc::default());
        line.begun.set(true);
        line
    }

    /// Makes the line for a host behind a proxy, with one connection. With two there would be many:
    /// making the second one takes long there. Meanwhile the first one serves the question that
    /// waits for the second, and each further question asks for one more.
    fn behind_proxy(hosts: Rc<Cell<usize>>) -> Rc<Self> {
        Self::new(1, hosts)
    }

    fn of_width(width: usize, connections: usize, hosts: Rc<Cell<usize>>) -> Rc<Self> {
        Rc::new(Self {
            questions: Semaphore::new(width),
            large: Arc::new(Semaphore::new(LARGE)),
            width: Cell::new(width),
            beyond: Cell::new(0),
            connections,
            hosts,
            begun: Cell::new(false),
            heard: Cell::new(None),
        })
    }

    /// Waits for a turn. If a host has not answered the first question within `patience`, it gets
    /// the next ones all the same: one lost answer must not delay all others.
    pub(super) async fn enter(self: &Rc<Self>, patience: Duration) -> Turn {
        if !self.begun.replace(true) {
            let line = Rc::clone(self);
            tokio::task::spawn_local(async move {
                tokio::time::sleep(patience).await;
                if line.heard.get().is_none() {
                    line.allow_questions(AT_WORK.min(line.connections));
                }
            });
        }
        // Never closed, so a permit always becomes free.
        if let Ok(permit) = self.questions.acquire().await {
            permit.forget();
        }
        Turn(Rc::clone(self))
    }

    /// Returns true when the host has answered any question, so that there may be a connection to
    /// reuse.
    pub(super) fn has_answered(&self) -> bool {
        self.heard.get().is_some()
    }

    /// Notes an answer in this version of HTTP, from the server or from a cache in its place.
    pub(super) fn answered(&self, version: Version, by_cache: bool) {
        self.heard.set(Some(Instant::now()));
        let most = if version == Version::HTTP_2 { STREAMS } else { self.connections };
        let share = (EVERYWHERE / self.hosts.get().max(1)).max(AT_WORK);
        let width = if by_cache { self.width.get().max(AT_WORK) + 1 } else { AT_WORK };
        self.allow_questions(width.min(most).min(share));
    }

    fn allow_questions(&self, width: usize) {
        let before = self.width.replace(width);
        let beyond = self.beyond.get() + before.saturating_sub(width);
        let more = width.saturating_sub(before);
        let free = more.saturating_sub(beyond);
        let beyond = beyond.saturating_sub(more);
        self.questions.add_permits(free);
        self.beyond.set(beyond - self.questions.forget_permits(beyond));
    }

    fn leave(&self) {
        match self.beyond.get().checked_sub(1) {
            Some(beyond) => self.beyond.set(beyond),
            None => self.questions.add_permits(1),
        }
    }

    /// Returns the time until which a question put at `begun` waits for its answer. A server that
    /// takes one question after the other is at work as long as it answers others. So the time
    /// counts from its last answer.
    pub(super) fn waits_until(&self, begun: Instant, patience: Duration) -> Instant {
        self.heard.get().map_or(begun, |heard| heard.max(begun)) + patience
    }

    /// Waits until a large answer may be read, if the question has not already waited for that.
    pub(super) async fn allow(&self, large: &mut Large) {
        if large.is_none() {
            *large = Arc::clone(&self.large).acquire_owned().await.ok();
        }
    }

    /// The highest number of questions under way if the server speaks HTTP/1.1.
    #[cfg(test)]
    pub(super) const fn connections(&self) -> usize {
        self.connections
    }
}

impl Lines {
    /// Returns the line of the host of `url`. A new host gets as many connections as any.
    pub(super) fn of(&self, url: &Url) -> Rc<Line> {
        self.of_host(&host_of(url), |hosts| Line::new(CONNECTIONS, hosts))
    }

    /// Returns the line of the host of `url` behind a proxy.
    pub(super) fn behind_proxy(&self, url: &Url) -> Rc<Line> {
        self.of_host(&host_of(url), Line::behind_proxy)
    }

    fn of_host(&self, host: &str, new: impl FnOnce(Rc<Cell<usize>>) -> Rc<Line>) -> Rc<Line> {
        let mut by_host = self.by_host.borrow_mut();
        let line = by_host.entry(host.to_owned()).or_insert_with(|| new(Rc::clone(&self.hosts)));
        let line = Rc::clone(line);
        self.hosts.set(by_host.len());
        line
    }
}

/// Returns the key for which a connection can be reused: the scheme, the host and the port.
pub(super) fn host_of(url: &Url) -> String {
    url.origin().ascii_serialization()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number of questions that could be put now.
    fn free(line: &Line) -> usize {
        line.questions.available_permits()
    }

    #[test]
    fn a_host_is_sent_one_question_until_it_says_what_it_speaks() {
        for (connections, version, width) in [
            (15, Version::HTTP_11, AT_WORK),
            (4, Version::HTTP_11, 4),
            (4, Version::HTTP_2, AT_WORK),
        ] {
            let line = Line::new(connections, Rc::default());
            assert_eq!(free(&line), 1);
            for _ in 0..3 {
                line.answered(version, false);
                assert_eq!(free(&line), width, "{version:?}");
            }
        }
    }

    #[test]
    fn a_host_behind_a_proxy_has_one_connection() {
        let line = Line::behind_proxy(Rc::default());
        assert_eq!(free(&line), 1);
        line.answered(Version::HTTP_11, true);
        assert_eq!(free(&line), 1);
        line.answered(Version::HTTP_2, false);
        assert_eq!(free(&line), AT_WORK);
    }

    #[test]
    fn a_cache_is_sent_more_with_each_answer_until_it_has_to_ask() {
        for (version, most) in [(Version::HTTP_11, 15), (Version::HTTP_2, STREAMS)] {
            let line = Line::new(15, Rc::default());
            line.answered(version, true);
            assert_eq!(free(&line), AT_WORK + 1);
            line.answered(version, true);
            assert_eq!(free(&line), AT_WORK + 2);
            (0..2 * most).for_each(|_| line.answered(version, true));
            assert_eq!(free(&line), most);
            line.answered(version, false);
            assert_eq!(free(&line), AT_WORK);
        }
    }

    #[test]
    fn hosts_share_what_memory_can_hold() {
        for (hosts, width) in [(1, STREAMS), (2, STREAMS), (3, 85), (10, 25), (100, AT_WORK)] {
            let lines = Lines::default();
            let of = |n| lines.of(&format!("https://{n}.example/").parse().unwrap());
            let first = of(0);
            (0..hosts).for_each(|n| drop(of(n)));
            (0..200).for_each(|_| first.answered(Version::HTTP_2, true));
            assert_eq!(free(&first), width, "{hosts}");
        }
    }

    /// Puts `count` questions.
    fn put(line: &Rc<Line>, count: usize) -> Vec<Turn> {
        let turn = || {
            line.questions.try_acquire().unwrap().forget();
            Turn(Rc::clone(line))
        };
        (0..count).map(|_| turn()).collect()
    }

    #[test]
    fn questions_that_are_under_way_count_when_fewer_are_allowed() {
        let line = Line::new(15, Rc::default());
        line.allow_questions(11);
        let mut turns = put(&line, 10);
        line.answered(Version::HTTP_11, false);
        assert_eq!((free(&line), line.beyond.get()), (0, 2));
        for beyond in [1, 0, 0] {
            turns.pop();
            assert_eq!(line.beyond.get(), beyond);
        }
        assert_eq!(free(&line), 1);
        drop(turns);
        assert_eq!(free(&line), AT_WORK);
    }

    #[test]
    fn more_are_allowed_again_while_some_are_beyond() {
        let line = Line::new(15, Rc::default());
        line.allow_questions(10);
        let turns = put(&line, 10);
        line.allow_questions(5);
        line.allow_questions(7);
        assert_eq!((free(&line), line.beyond.get()), (0, 3));
        line.allow_questions(12);
        assert_eq!((free(&line), line.beyond.get()), (2, 0));
        drop(turns);
        assert_eq!(free(&line), 12);
    }

    #[test]
    fn a_server_that_answers_others_is_waited_for() {
        let (line, patience) = (Line::new(4, Rc::default()), Duration::from_secs(10));
        let begun = Instant::now();
        assert_eq!(line.waits_until(begun, patience), begun + patience);
        line.answered(Version::HTTP_11, false);
        assert!(line.waits_until(begun, patience) >= begun + patience);
        let later = begun + 2 * patience;
        assert_eq!(line.waits_until(later, patience), later + patience, "what was is no excuse");
        line.heard.set(Some(later));
        assert_eq!(line.waits_until(begun, patience), later + patience);
    }

    #[test]
    fn one_host_has_one_line() {
        let lines = Lines::default();
        let of = |url: &str| lines.of(&url.parse().unwrap());
        assert!(Rc::ptr_eq(&of("https://a.example/amd64/"), &of("https://a.example:443/all/")));
        assert!(!Rc::ptr_eq(&of("https://a.example/"), &of("http://a.example/")));
    }
}
