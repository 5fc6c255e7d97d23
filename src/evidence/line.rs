//! How much one host is asked at the same time.
//!
//! Over HTTP/2 all questions share one connection, over HTTP/1.1 each needs one of its own. Which
//! of the two a server speaks is known when its first answer comes, so until then it is sent one
//! question: else there would be many connections where one is enough.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Url, Version};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::time::Instant;

/// Questions under way at the same time over HTTP/2. Servers allow a hundred streams and more, but
/// rebuilderd 0.28 stops answering when fifteen attestations are asked for at once for the first
/// time: it signs each then, and writes that to its database.
pub(super) const STREAMS: usize = 8;

/// Questions under way at the same time over HTTP/1.1, each on a connection of its own. There can be one
/// connection more: that of a question which found another one free before its own was there.
pub(super) const CONNECTIONS: usize = 8;

/// Questions to one host whose answers may have more than [`SMALL`] bytes at the same time, so that
/// memory can hold them.
const LARGE: usize = 8;

/// What any answer may have, in bytes. An attestation has less than one kilobyte as a rule.
pub(super) const SMALL: usize = 16 * 1024;

/// The right of a question to large answers, for as long as what they brought is kept.
pub(super) type Large = Option<OwnedSemaphorePermit>;

/// What one host is asked at the same time.
#[derive(Debug)]
pub(super) struct Line {
    questions: Semaphore,
    large: Arc<Semaphore>,
    /// How many questions are allowed now
    width: Cell<usize>,
    /// How many are, if the server speaks HTTP/1.1
    connections: usize,
    begun: Cell<bool>,
    /// When it answered last
    heard: Cell<Option<Instant>>,
}

/// All hosts, by what a connection can be used for again: scheme, host and port.
#[derive(Debug, Clone, Default)]
pub(super) struct Lines(Rc<RefCell<HashMap<String, Rc<Line>>>>);

impl Line {
    /// For a host that nobody has asked anything. `connections` are those that it may have if it
    /// speaks HTTP/1.1.
    pub(super) fn new(connections: usize) -> Rc<Self> {
        Self::of_width(1, connections)
    }

    /// For what is on this machine.
    pub(super) fn at_hand() -> Rc<Self> {
        let line = Self::of_width(LARGE, LARGE);
        line.begun.set(true);
        line
    }

    fn of_width(width: usize, connections: usize) -> Rc<Self> {
        Rc::new(Self {
            questions: Semaphore::new(width),
            large: Arc::new(Semaphore::new(LARGE)),
            width: Cell::new(width),
            connections,
            begun: Cell::new(false),
            heard: Cell::new(None),
        })
    }

    /// Waits for its turn. A host that has not answered the first question within `patience` gets
    /// the next ones all the same: one answer that is lost must not hold up all others.
    pub(super) async fn enter(self: &Rc<Self>, patience: Duration) -> Option<SemaphorePermit<'_>> {
        if !self.begun.replace(true) {
            let line = Rc::clone(self);
            tokio::task::spawn_local(async move {
                tokio::time::sleep(patience).await;
                line.speaks(Version::HTTP_11);
            });
        }
        // Never closed, so there is always a permit to come.
        self.questions.acquire().await.ok()
    }

    /// A question whose permit was forgotten is done.
    pub(super) fn leave(&self) {
        self.questions.add_permits(1);
    }

    /// The server has answered in this version of HTTP.
    pub(super) fn answered(&self, version: Version) {
        self.heard.set(Some(Instant::now()));
        self.speaks(version);
    }

    /// Until when a question that was put at `begun` waits for its answer. A server that takes one
    /// question after the other is at work as long as it answers others, so what counts is its
    /// last sign of life.
    pub(super) fn waits_until(&self, begun: Instant, patience: Duration) -> Instant {
        self.heard.get().map_or(begun, |heard| heard.max(begun)) + patience
    }

    fn speaks(&self, version: Version) {
        let width = if version == Version::HTTP_2 { STREAMS } else { self.connections };
        if let Some(more) = width.checked_sub(self.width.get()).filter(|more| *more > 0) {
            self.width.set(width);
            self.questions.add_permits(more);
        }
    }

    /// Waits until a large answer may be read, if the question has not waited for that already.
    pub(super) async fn allow(&self, large: &mut Large) {
        if large.is_none() {
            *large = Arc::clone(&self.large).acquire_owned().await.ok();
        }
    }

    /// How many questions may be under way if the server speaks HTTP/1.1.
    #[cfg(test)]
    pub(super) const fn connections(&self) -> usize {
        self.connections
    }
}

impl Lines {
    /// That of the host of `url`. A host that is new here gets as many connections as any.
    pub(super) fn of(&self, url: &Url) -> Rc<Line> {
        self.of_host(&host_of(url), CONNECTIONS)
    }

    /// That of a host, which gets so many connections if it is new here.
    pub(super) fn of_host(&self, host: &str, connections: usize) -> Rc<Line> {
        let mut lines = self.0.borrow_mut();
        let line = lines.entry(host.to_owned()).or_insert_with(|| Line::new(connections));
        Rc::clone(line)
    }
}

/// What a connection can be used for again: the scheme, the host and the port.
pub(super) fn host_of(url: &Url) -> String {
    url.origin().ascii_serialization()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_sent_one_question_until_it_says_how_many_it_can_take() {
        let line = Line::new(4);
        assert_eq!(line.questions.available_permits(), 1);
        line.speaks(Version::HTTP_11);
        assert_eq!(line.questions.available_permits(), 4);
        line.speaks(Version::HTTP_11);
        assert_eq!(line.questions.available_permits(), 4);
        line.speaks(Version::HTTP_2);
        assert_eq!(line.questions.available_permits(), STREAMS);
        // A connection of another kind later on takes nothing away.
        line.speaks(Version::HTTP_11);
        assert_eq!(line.questions.available_permits(), STREAMS);
    }

    #[test]
    fn a_server_that_answers_others_is_waited_for() {
        let (line, patience) = (Line::new(4), Duration::from_secs(10));
        let begun = Instant::now();
        assert_eq!(line.waits_until(begun, patience), begun + patience);
        line.answered(Version::HTTP_11);
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
