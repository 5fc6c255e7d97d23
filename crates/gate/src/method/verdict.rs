//! The end of each file's way through the method: the decision, and what apt hears of it.

use std::path::{Path, PathBuf};

use super::case::Known;
use super::conversation::{Conversation, Item, ItemKind, now};
use super::passage::Passage;
use super::reply::{Action, Reply, say};
use crate::apt::message::Message;
use crate::evidence::Order;
use crate::policy::{Basis, Decision, Reason, Refusal};
use crate::report;
use crate::sys::plain;

impl Conversation<'_> {
    /// Decides, if the file is there and no outstanding answer could change the decision.
    pub(super) fn judge(&mut self, uri: &[u8]) -> Vec<Action> {
        let Some(Item { destination, kind: ItemKind::Judged(case), .. }) = self.items.get_mut(uri)
        else {
            return Vec::new();
        };
        let destination = destination.clone();
        let Some(subject) = &case.subject else { return Vec::new() };
        let policy = match self.gate.policy() {
            Ok(policy) => policy,
            Err(reason) => return self.refuse_unjudged(uri, &destination, reason),
        };
        let mut inquiry = match std::mem::replace(&mut case.known, Known::Nothing) {
            Known::Soon => {
                case.known = Known::Soon;
                return Vec::new();
            }
            Known::Nothing => Box::default(),
            Known::Inquiry(inquiry) => inquiry,
        };
        let Some(decision) = inquiry.decide_early(policy, subject, now()) else {
            case.known = Known::Inquiry(inquiry);
            return case.waiting().map(say).into_iter().collect();
        };
        let settled = if inquiry.is_complete() { None } else { self.items.id(uri) };
        let (signed, _) = inquiry.into_parts();
        // An installation rests on the hook's receipts. Without root there is no place to write
        // and nothing to install.
        let record = self.recorder.record_of(&decision, &destination, now());
        self.recorder.note(&decision, record, &signed);
        let mut actions = self.remarks(uri, &destination, &decision);
        actions.extend(settled.map(|id| Action::Order(Order::Settled { id })));
        actions.extend(match decision {
            Decision::Refuse(refusal) => self.refuse(uri, &destination, &refusal),
            Decision::Admit(admit) => self.success(uri, Passage::judged(admit)),
        });
        actions
    }

    /// Returns the warnings that people must see although the file passes. The hook repeats them
    /// for files that are going to be installed.
    fn remarks(&self, uri: &[u8], destination: &Path, decision: &Decision) -> Vec<Action> {
        let Decision::Admit(admit) = decision else { return Vec::new() };
        let quiet = matches!(admit.basis(), Basis::Quorum | Basis::WarnMode { .. });
        if quiet && admit.report().conflicts.is_empty() {
            return Vec::new();
        }
        let text = report::summary(&[(destination, decision)], "");
        let lines = text.lines().skip(1).map(str::trim);
        let warning = |line| Message::new(104, "Warning").with("URI", uri).with("Message", line);
        lines.map(|line| Action::Say(Reply::other(warning(line)))).collect()
    }

    /// Tells apt that the file is there, with the hash that this process computed and no other.
    pub(super) fn success(&mut self, uri: &[u8], passage: Passage) -> Vec<Action> {
        let file = passage.file().map(|file| (file.size(), file.sha256()));
        let item = self.items.remove(uri);
        let (Some((size, sha256)), Some(Item { named, destination, kind: ItemKind::Judged(case) })) =
            (file, item)
        else {
            return Vec::new();
        };
        let Some(done) = case.done else { return Vec::new() };
        if let Some(Err(error)) = case.waits_as.map(|it| passage.give_name(&it, &destination)) {
            let why = format!("it cannot be given its name ({})", plain(&error));
            return self.refuse_unjudged(uri, &destination, Reason::Unreadable { why });
        }
        let mut message = Message::new(201, "URI Done")
            .with("URI", uri)
            .with("Filename", named)
            .with("Size", size.to_string())
            .with_some("Last-Modified", done.field("Last-Modified"))
            .with_some("UsedMirror", done.field("UsedMirror"));
        if case.expected.is_some() {
            message = message
                .with("SHA256-Hash", sha256.to_string())
                .with("Checksum-FileSize-Hash", size.to_string());
        }
        // If apt expects only other hashes, it computes them itself when none is reported.
        let begun = case.begun.map(|it| Action::Say(Reply::other(it)));
        begun.into_iter().chain([Action::Say(Reply::success(message, passage))]).collect()
    }

    /// Fails the item, and then the whole run: otherwise, apt would take the same version from
    /// another source.
    fn refuse(&mut self, uri: &[u8], destination: &Path, refusal: &Refusal) -> Vec<Action> {
        self.give_up(uri);
        let line = report::refusal_line(refusal, destination);
        let next = report::next_step(&[refusal]);
        let failure = Message::new(400, "URI Failure")
            .with("URI", uri)
            .with("Message", format!("apt-quorum refused it: {line}."))
            .with("FailReason", "QuorumRefused");
        let general = Message::new(401, "General Failure")
            .with("Message", format!("apt-quorum: nothing will be installed. {line}. {next}"));
        vec![Action::Say(Reply::other(failure)), Action::Say(Reply::other(general))]
    }

    /// Forgets an item, and removes its file if apt would leave it for people to find.
    pub(super) fn give_up(&mut self, uri: &[u8]) {
        let Some(Item { kind: ItemKind::Judged(case), .. }) = self.items.remove(uri) else {
            return;
        };
        if let Some(file) = case.waits_as {
            // The file may never have arrived.
            let _ = std::fs::remove_file(file);
        }
    }

    /// Fails an item because of the conversation, as strictly as a refusal.
    pub(super) fn fail(&mut self, uri: &[u8], why: &str) -> Vec<Action> {
        let destination = self.items.get(uri).map(|item| item.destination.clone());
        let reason = Reason::Unreadable { why: why.to_owned() };
        let shown = destination.unwrap_or_else(|| PathBuf::from("a file"));
        self.refuse_unjudged(uri, &shown, reason)
    }

    /// Refuses a file that was never judged. It gets no receipt, but a message in the log.
    pub(super) fn refuse_unjudged(
        &mut self,
        uri: &[u8],
        destination: &Path,
        reason: Reason,
    ) -> Vec<Action> {
        let refusal = Refusal::unjudged(None, reason);
        let decision = Decision::Refuse(refusal.clone());
        let record = self.recorder.record_of(&decision, destination, now());
        self.recorder.tell(&decision, &record);
        self.refuse(uri, destination, &refusal)
    }
}
