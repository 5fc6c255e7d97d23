//! The files that apt asked for and has no answer about, and the order in which the wrapped method
//! is asked for them.

use std::collections::{HashMap, VecDeque};

use crate::apt::message::Message;
use crate::evidence::QuestionId;

/// Files that the wrapped method is asked for at the same time. apt hands over many more, so that
/// evidence about all of them can be asked for together; the rest wait here. The wrapped method
/// asks a server for ten at a time (`Acquire::http::Pipeline-Depth`). With a limit of ten here, it
/// would run out of work before it hears of the next file. This few messages never fill a pipe,
/// which would make this side wait for the other.
const WITH_WRAPPED: usize = 30;

/// The items by their URIs, each with the knowledge about it.
pub(super) struct Items<T> {
    entries: HashMap<Vec<u8>, Slot<T>>,
    /// The URI of the item that a question is about
    questions: HashMap<QuestionId, Vec<u8>>,
    /// The requests that are still to be sent to the wrapped method
    ahead: VecDeque<(QuestionId, Vec<u8>, Message)>,
    /// The number of requests that the wrapped method has not answered
    with_wrapped: usize,
    last_id: QuestionId,
}

struct Slot<T> {
    id: QuestionId,
    /// True from the request to the wrapped method until its answer
    under_way: bool,
    item: T,
}

impl<T> Items<T> {
    pub(super) fn new() -> Self {
        Self {
            entries: HashMap::new(),
            questions: HashMap::new(),
            ahead: VecDeque::new(),
            with_wrapped: 0,
            last_id: 0,
        }
    }

    /// A number that no item had before.
    pub(super) const fn next_id(&mut self) -> QuestionId {
        self.last_id += 1;
        self.last_id
    }

    /// Adds an item; `message` asks the wrapped method for it when its turn comes. An earlier item
    /// under the same URI is no longer wanted.
    pub(super) fn insert(&mut self, id: QuestionId, uri: &[u8], message: Message, item: T) {
        self.remove(uri);
        self.questions.insert(id, uri.to_vec());
        self.ahead.push_back((id, uri.to_vec(), message));
        self.entries.insert(uri.to_vec(), Slot { id, under_way: false, item });
    }

    pub(super) fn contains(&self, uri: &[u8]) -> bool {
        self.entries.contains_key(uri)
    }

    pub(super) fn get(&self, uri: &[u8]) -> Option<&T> {
        self.entries.get(uri).map(|it| &it.item)
    }

    pub(super) fn get_mut(&mut self, uri: &[u8]) -> Option<&mut T> {
        self.entries.get_mut(uri).map(|it| &mut it.item)
    }

    /// Gives an item another number, so that answers to earlier questions about it no longer count.
    pub(super) fn renumber(&mut self, uri: &[u8]) -> Option<QuestionId> {
        let id = self.next_id();
        let entry = self.entries.get_mut(uri)?;
        let before = std::mem::replace(&mut entry.id, id);
        let uri = self.questions.remove(&before)?;
        self.questions.insert(id, uri);
        Some(id)
    }

    /// The number of the questions about an item.
    pub(super) fn id(&self, uri: &[u8]) -> Option<QuestionId> {
        self.entries.get(uri).map(|it| it.id)
    }

    /// The item that a question is about, if it is still wanted.
    pub(super) fn of_question(&self, id: QuestionId) -> Option<&[u8]> {
        self.questions.get(&id).map(Vec::as_slice)
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        self.entries.values().map(|it| &it.item)
    }

    pub(super) fn uris(&self) -> Vec<Vec<u8>> {
        self.entries.keys().cloned().collect()
    }

    pub(super) fn remove(&mut self, uri: &[u8]) -> Option<T> {
        let entry = self.entries.remove(uri)?;
        self.questions.remove(&entry.id);
        self.with_wrapped -= usize::from(entry.under_way);
        Some(entry.item)
    }

    /// Notes that the wrapped method has answered about an item.
    pub(super) fn has_come(&mut self, uri: &[u8]) {
        if let Some(entry) = self.entries.get_mut(uri) {
            self.with_wrapped -= usize::from(std::mem::take(&mut entry.under_way));
        }
    }

    /// Returns the next request for the wrapped method, if it may have one more.
    pub(super) fn next_for_wrapped(&mut self) -> Option<Message> {
        while self.with_wrapped < WITH_WRAPPED {
            let (id, uri, message) = self.ahead.pop_front()?;
            // An item that is no longer wanted was refused meanwhile, or asked for again.
            let Some(entry) = self.entries.get_mut(&uri).filter(|it| it.id == id) else { continue };
            entry.under_way = true;
            self.with_wrapped += 1;
            return Some(message);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(uris: &[&str]) -> Items<()> {
        let mut items = Items::new();
        uris.iter().for_each(|uri| add(&mut items, uri));
        items
    }

    fn add(items: &mut Items<()>, uri: &str) {
        let id = items.next_id();
        items.insert(id, uri.as_bytes(), Message::new(600, "URI Acquire").with("URI", uri), ());
    }

    /// Returns the URIs that the wrapped method is asked for now.
    fn asked(items: &mut Items<()>) -> Vec<String> {
        std::iter::from_fn(|| items.next_for_wrapped())
            .map(|message| message.text_field("URI").unwrap().to_owned())
            .collect()
    }

    #[test]
    fn some_are_asked_for_at_a_time_in_the_order_in_which_apt_did() {
        let uris: Vec<String> = (0..WITH_WRAPPED + 3).map(|n| format!("u{n}")).collect();
        let mut items = with(&uris.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(asked(&mut items), uris[..WITH_WRAPPED]);
        assert!(asked(&mut items).is_empty());
        items.has_come(b"u3");
        assert_eq!(asked(&mut items), uris[WITH_WRAPPED..=WITH_WRAPPED]);
        // It is done only once.
        items.has_come(b"u3");
        items.remove(b"u3");
        assert!(asked(&mut items).is_empty());
        items.remove(b"u0");
        items.remove(b"u1");
        assert_eq!(asked(&mut items), uris[WITH_WRAPPED + 1..]);
    }

    #[test]
    fn an_item_that_was_renumbered_has_nothing_of_before() {
        let mut items = with(&["a", "b"]);
        let before = items.id(b"a").unwrap();
        let after = items.renumber(b"a").unwrap();
        assert_eq!(items.of_question(before), None);
        assert_eq!((items.of_question(after), items.id(b"a")), (Some(&b"a"[..]), Some(after)));
        assert_eq!(items.id(b"b").map(|it| it == after), Some(false));
        assert_eq!(items.renumber(b"c"), None);
    }

    #[test]
    fn what_is_no_longer_wanted_is_not_asked_for() {
        let mut items = with(&["a", "b", "a"]);
        let (first, last) = (1, 3);
        items.remove(b"b");
        assert_eq!(asked(&mut items), ["a"]);
        assert_eq!((items.of_question(first), items.of_question(2)), (None, None));
        assert_eq!((items.of_question(last), items.id(b"a")), (Some(&b"a"[..]), Some(last)));
    }
}
