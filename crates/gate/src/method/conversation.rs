//! The reactions of the method to messages. Apart from giving a file its name or removing it, no
//! input or output happens here, so the whole conversation can be tested.
//!
//! Its rules follow from apt's treatment of each message and from the ways round that
//! docs/ways-round.md lists. In short: gate by default; believe neither the wrapped method's hashes
//! nor its file names nor its redirects; on a refusal fail the item and then the whole run, so that
//! no other source of the same version can replace it.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::apt::configuration::Configuration;
use crate::apt::message::Message;
use crate::evidence::{Event, Order, Question, QuestionId};
use crate::gate::{Gate, Inquiry, Listings, Recorder, TICK};
use crate::policy::{Reason, Subject};
use crate::sys::plain;
use crate::types::{Identity, RebuilderName, Timestamp};

use super::case::{Case, Known};
use super::items::Items;
use super::passage::{HashedFile, Places, can_be_written};
use super::reply::{Action, Reply, fatal, say};
use super::wrapped::{ItsHashes, Scheme};

/// Long enough to be no time at all.
const A_DAY: Duration = Duration::from_secs(86_400);

/// Largest file, in bytes, whose progress apt need not show.
const SMALL: u64 = 1024 * 1024;

/// The state of the conversation.
pub(super) struct Conversation<'a> {
    scheme: &'a Scheme,
    config: &'a Configuration,
    places: Places,
    pub(super) gate: &'a Gate,
    pub(super) recorder: Recorder,
    listings: Option<Listings>,
    its_hashes: ItsHashes,
    pub(super) items: Items<Item>,
    /// True once endpoints were asked
    asked: bool,
}

/// A file that apt asked for and has no answer about.
pub(super) struct Item {
    /// apt's name of the file: the answer must have the same
    pub(super) named: Vec<u8>,
    /// The file
    pub(super) destination: PathBuf,
    pub(super) kind: ItemKind,
}

impl Item {
    /// The path to which the wrapped method writes the file.
    fn place(&self) -> &Path {
        match &self.kind {
            ItemKind::Index => &self.destination,
            ItemKind::Judged(case) => case.waits_as.as_deref().unwrap_or(&self.destination),
        }
    }

    /// The rebuilders whose answers a downloaded file waits for.
    fn awaited(&self) -> impl Iterator<Item = &RebuilderName> {
        let inquiry = match &self.kind {
            ItemKind::Judged(case) if case.subject.is_some() => match &case.known {
                Known::Inquiry(inquiry) => Some(inquiry),
                Known::Nothing | Known::Soon => None,
            },
            ItemKind::Judged(_) | ItemKind::Index => None,
        };
        inquiry.into_iter().flat_map(|it| it.awaited())
    }
}

pub(super) enum ItemKind {
    /// apt keeps it among its indexes.
    Index,
    /// Everything else.
    Judged(Box<Case>),
}

impl<'a> Conversation<'a> {
    pub(super) fn new(
        scheme: &'a Scheme,
        config: &'a Configuration,
        places: Places,
        gate: &'a Gate,
        recorder: Recorder,
        listings: Option<Listings>,
        its_hashes: ItsHashes,
    ) -> Self {
        Self {
            scheme,
            config,
            places,
            gate,
            recorder,
            listings,
            its_hashes,
            items: Items::new(),
            asked: false,
        }
    }

    /// Handles a message from apt.
    pub(super) fn apt_says(&mut self, message: Message) -> Vec<Action> {
        match message.code() {
            600 => self.acquire(message),
            // Configuration again, or the answer to something that the wrapped method asked.
            _ => vec![Action::Forward(message)],
        }
    }

    fn acquire(&mut self, message: Message) -> Vec<Action> {
        let (Some(uri), Some(named)) = (message.field("URI"), message.field("Filename")) else {
            return fatal("apt's request has no URI or file name");
        };
        let (uri, named) = (uri.to_vec(), named.to_vec());
        let as_path = Path::new(OsStr::from_bytes(&named));
        let destination = match self.places.file(as_path) {
            Ok(destination) => destination,
            Err(error) => {
                let why = format!("its destination cannot be found ({})", plain(&error));
                return self.refuse_unjudged(&uri, as_path, Reason::Unreadable { why });
            }
        };
        let scheme = format!("{}:", self.scheme.name());
        if !uri.starts_with(scheme.as_bytes()) {
            return self.fail(&uri, "the URL belongs to another method");
        }
        let id = self.items.next_id();
        if self.places.is_for_an_index(&destination) {
            let message = message.with_changed("Filename", destination.as_os_str().as_bytes());
            self.items.insert(
                id,
                &uri,
                message,
                Item { named, destination, kind: ItemKind::Index },
            );
            return self.forward();
        }
        if let Err(reason) = self.gate.policy() {
            // Nothing could be judged, so nothing is downloaded for it.
            return self.refuse_unjudged(&uri, &destination, reason);
        }

        let expected = message.text_field("Expected-SHA256").and_then(|hash| hash.parse().ok());
        let mut case = Case::new(&destination, expected);
        case.waits_as = self.places.waiting_place(&destination);
        if let Some(place) = case.waits_as.as_deref().filter(|it| !can_be_written(it)) {
            let why = format!("{} is in the way and not a plain file: remove it", place.display());
            return self.refuse_unjudged(&uri, &destination, Reason::Unreadable { why });
        }
        let first = case.requested.clone().map(|identity| {
            // Asked before the file is there, by the name that apt gives it. If the file turns out
            // to be another, the evidence found does not help and the file is refused.
            inquire(&mut case, id, Question { identity, source: None, sha256: expected })
        });
        let message = if expected.is_some() { self.its_hashes.request(message) } else { message };
        let item = Item { named, destination, kind: ItemKind::Judged(Box::new(case)) };
        let message = message.with_changed("Filename", item.place().as_os_str().as_bytes());
        self.items.insert(id, &uri, message, item);
        let mut actions = self.forward();
        actions.extend(first);
        actions
    }

    /// Sends the wrapped method as many requests as it may have.
    fn forward(&mut self) -> Vec<Action> {
        std::iter::from_fn(|| self.items.next_for_wrapped()).map(Action::Forward).collect()
    }

    /// Handles a message from the wrapped method.
    pub(super) fn wrapped_says(&mut self, message: Message) -> Vec<Action> {
        let mut actions = self.hear(message);
        actions.extend(self.forward());
        actions
    }

    fn hear(&mut self, message: Message) -> Vec<Action> {
        let uri = message.field("URI").map(<[u8]>::to_vec);
        let known = uri.as_ref().is_some_and(|uri| self.items.contains(uri));
        match (message.code(), uri) {
            // Its capabilities; ours were sent. Without encoded URIs, answers would not match.
            (100, _) => match message.field("Send-URI-Encoded") {
                Some(b"true") => Vec::new(),
                _ => fatal("the wrapped method is too old: it does not take encoded URIs"),
            },
            // Progress and warnings are for people, whatever they are about.
            (101 | 102 | 104 | 105, _) => vec![Action::Say(Reply::other(message))],
            (200, Some(uri)) if known => self.begun(&uri, message),
            (201, Some(uri)) if known => self.downloaded(uri, message),
            (103, Some(uri)) if known => self.redirected(&uri, message),
            (400, Some(uri)) if known => {
                self.items.remove(&uri);
                vec![Action::Say(Reply::other(message))]
            }
            (401, _) => vec![Action::Say(Reply::other(message))],
            (_, Some(uri)) if known => {
                self.fail(&uri, "the wrapped method sent an unknown message")
            }
            // About a file that apt did not ask for: apt would hang or crash on it.
            _ => Vec::new(),
        }
    }

    /// Handles the start of a download (200). Until then apt shows the method's status (102);
    /// afterwards it shows the downloaded share of the file. A small file is there at once, so its
    /// 200 is held back until it is judged. Until then, people see what they wait for.
    fn begun(&mut self, uri: &[u8], message: Message) -> Vec<Action> {
        let size = message.text_field("Size").and_then(|it| it.parse::<u64>().ok());
        match self.items.get_mut(uri).map(|item| &mut item.kind) {
            Some(ItemKind::Judged(case)) if size.is_some_and(|it| it <= SMALL) => {
                let waiting = case.waiting();
                case.begun = Some(message);
                waiting.map(say).into_iter().collect()
            }
            _ => vec![Action::Say(Reply::other(message))],
        }
    }

    fn downloaded(&mut self, uri: Vec<u8>, message: Message) -> Vec<Action> {
        self.items.has_come(&uri);
        let Some(item) = self.items.get_mut(&uri) else { return Vec::new() };
        let named = message.field("Filename").unwrap_or_default();
        if named != item.place().as_os_str().as_bytes() {
            return self.fail(&uri, "the wrapped method put the file in another place");
        }
        match &mut item.kind {
            ItemKind::Index => match self.places.index(&item.destination) {
                Some(passage) => {
                    let message = message.with_changed("Filename", &item.named);
                    self.items.remove(&uri);
                    vec![Action::Say(Reply::success(message, passage))]
                }
                None => self.fail(&uri, "a package was offered as an index"),
            },
            ItemKind::Judged(case) => {
                case.done = Some(message);
                let path = item.place().to_owned();
                vec![Action::Hash { uri, path }]
            }
        }
    }

    fn redirected(&mut self, uri: &[u8], message: Message) -> Vec<Action> {
        let guarded = |value: &[u8]| {
            value.split(|&byte| byte == b'\n').all(|uri| self.scheme.guards(uri, self.config))
        };
        if !message.all("New-URI").all(guarded) || !message.all("Alternate-URIs").all(guarded) {
            return self.fail(uri, "redirected to a place where packages are not checked");
        }
        // apt asks again, under the new URI.
        self.items.remove(uri);
        vec![Action::Say(Reply::other(message))]
    }

    /// Fails all items: the wrapped method has ended, so none of its downloads will arrive.
    pub(super) fn wrapped_is_gone(&mut self) -> Vec<Action> {
        let uris = self.items.uris();
        let mut actions: Vec<Action> = uris
            .iter()
            .flat_map(|uri| self.fail(uri, "the wrapped method ended unexpectedly"))
            .collect();
        actions.extend(fatal("the wrapped method ended unexpectedly"));
        actions
    }

    /// Handles the result of hashing a file.
    pub(super) fn hashed(&mut self, uri: &[u8], file: io::Result<HashedFile>) -> Vec<Action> {
        let Some(Item { destination, kind: ItemKind::Judged(case), .. }) = self.items.get_mut(uri)
        else {
            return Vec::new();
        };
        let destination = destination.clone();
        let file = match file {
            Ok(file) => file,
            Err(error) => {
                let reason = Reason::Unreadable { why: unreadable(&error) };
                return self.refuse_unjudged(uri, &destination, reason);
            }
        };
        if case.expected.is_some_and(|expected| expected != file.examined.sha256()) {
            // Damaged or tampered with on the way: apt has its own messages and reactions for that.
            self.give_up(uri);
            let message = Message::new(400, "URI Failure")
                .with("URI", uri)
                .with("Message", "Hash Sum mismatch")
                .with("FailReason", "HashSumMismatch");
            return vec![Action::Say(Reply::other(message))];
        }
        if let Some(passage) = self.places.not_installable(&destination, &file) {
            return self.success(uri, passage);
        }
        let examined = file.examined;

        let control = examined.control().ok().cloned();
        let requested = case.requested.clone();
        // Rebuilders name a file as it writes its name, apt in lower case.
        let named = |it: &Identity| requested.as_ref().is_some_and(|named| named == it);
        let another_case = |it: &Identity| {
            requested.as_ref().is_some_and(|named| named.artifact_name() != it.artifact_name())
        };
        let foreseen = control.as_ref().is_some_and(|it| named(&it.identity));
        let renamed = foreseen && control.as_ref().is_some_and(|it| another_case(&it.identity));
        let listings = control
            .as_ref()
            .map(|it| self.listings().of(examined.sha256(), &it.identity))
            .unwrap_or_default();
        let unhashed =
            control.as_ref().map(|it| self.listings().unhashed(&it.identity)).unwrap_or_default();
        let subject = Subject::new(examined, requested, listings).listed_without_hash(unhashed);
        let question = control.filter(|_| !foreseen || renamed).map(|control| Question {
            identity: control.identity,
            source: Some(control.source),
            sha256: Some(subject.sha256()),
        });
        let mut actions = Vec::new();
        // Answers to questions under the other name no longer have an effect.
        let id = if renamed { self.items.renumber(uri) } else { self.items.id(uri) };
        if let (Some(id), Some(Item { kind: ItemKind::Judged(case), .. })) =
            (id, self.items.get_mut(uri))
        {
            case.subject = Some(subject);
            // Asked only now, if apt's name did not tell the identity.
            if renamed || matches!(case.known, Known::Nothing) {
                actions.extend(question.map(|question| inquire(case, id, question)));
            }
        }
        actions.extend(self.judge(uri));
        actions
    }

    /// Returns the listings, which are read once. Usually that happened before the process confined
    /// itself: afterwards, compressed indexes cannot be unpacked and list nothing.
    fn listings(&mut self) -> &Listings {
        let gate = self.gate;
        self.listings.get_or_insert_with(|| gate.listings(|_, _| true))
    }

    /// Handles the evidence at hand about a file, found and verified. Asks the rebuilders, unless
    /// that evidence is enough whatever the file turns out to be.
    pub(super) fn inquired(
        &mut self,
        id: QuestionId,
        question: Question,
        mut inquiry: Box<Inquiry>,
    ) -> Vec<Action> {
        let Some(uri) = self.items.of_question(id).map(<[u8]>::to_vec) else { return Vec::new() };
        let Some(Item { kind: ItemKind::Judged(case), .. }) = self.items.get_mut(&uri) else {
            return Vec::new();
        };
        if self.gate.policy().is_ok_and(|policy| inquiry.has_enough(policy)) {
            // The hook asks the other rebuilders, which could contradict.
            inquiry.ask_nobody();
        }
        inquiry.heed(&self.gate.patience());
        let endpoints = inquiry.asked();
        self.asked |= !endpoints.is_empty();
        case.known = Known::Inquiry(inquiry);
        let asked = (!endpoints.is_empty()).then_some(Action::Order(Order::Ask {
            id,
            question,
            endpoints,
        }));
        asked.into_iter().chain(self.judge(&uri)).collect()
    }

    /// Handles the answer of an endpoint.
    pub(super) fn evidence(&mut self, event: Event) -> Vec<Action> {
        let Some(uri) = self.items.of_question(event.question).map(<[u8]>::to_vec) else {
            return Vec::new();
        };
        let Some(Item { kind: ItemKind::Judged(case), .. }) = self.items.get_mut(&uri) else {
            return Vec::new();
        };
        if let Known::Inquiry(inquiry) = &mut case.known {
            inquiry.add(event.endpoint, event.found);
        }
        self.judge(&uri)
    }

    /// The longest time to wait for an event before the elapsed time is checked.
    pub(super) fn patience(&self) -> Duration {
        if self.asked { TICK } else { A_DAY }
    }

    /// Checks the time that downloaded files have waited for rebuilders. Rebuilders that have used up
    /// their time are no longer waited for.
    pub(super) fn time_passes(&mut self, now: Instant) -> Vec<Action> {
        if !self.asked {
            return Vec::new();
        }
        let items = &self.items;
        let awaited = || items.values().flat_map(Item::awaited).cloned().collect();
        let spent = self.gate.patience().look(now, awaited);
        let mut actions = Vec::new();
        for uri in if spent.is_empty() { Vec::new() } else { self.items.uris() } {
            let Some(Item { kind: ItemKind::Judged(case), .. }) = self.items.get_mut(&uri) else {
                continue;
            };
            if let Known::Inquiry(inquiry) = &mut case.known {
                spent.iter().for_each(|(name, why)| inquiry.rest(name, why));
                actions.extend(self.judge(&uri));
            }
        }
        actions.extend(self.forward());
        actions
    }
}

/// Starts the search for evidence about a file.
fn inquire(case: &mut Case, id: QuestionId, question: Question) -> Action {
    case.known = Known::Soon;
    Action::Inquire { id, question }
}

/// Returns the reason for which a file could not be read, for people.
fn unreadable(error: &io::Error) -> String {
    let hint = match error.kind() {
        // In apt's own runs there is one directory. Libraries can ask for several.
        io::ErrorKind::PermissionDenied => {
            " (in addition to apt's own directories, the method may read only that of the \
             first file: see PRIVILEGES AND SANDBOX in apt-quorum-method(8))"
        }
        _ => "",
    };
    format!("{}{hint}", plain(error))
}

/// The time by which files are judged.
pub(super) fn now() -> Timestamp {
    Timestamp::from(std::time::SystemTime::now())
}
