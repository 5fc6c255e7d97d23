//! The actions of the method, and its messages to apt.

use std::path::PathBuf;

use crate::apt::message::Message;
use crate::evidence::{Order, Question, QuestionId};

use super::passage::Passage;

/// An action that the caller must take.
pub(super) enum Action {
    /// Tell apt.
    Say(Reply),
    /// Tell the wrapped method.
    Forward(Message),
    /// Hash a file.
    Hash { uri: Vec<u8>, path: PathBuf },
    /// Search the evidence at hand about a file.
    Inquire { id: QuestionId, question: Question },
    /// Tell the engine that asks endpoints.
    Order(Order),
    /// There is nothing more to do.
    End,
}

/// A message to apt. One that reports a success can be made only with a [`Passage`].
pub(super) struct Reply(Message);

impl Reply {
    pub(super) fn success(message: Message, _: Passage) -> Self {
        Self(message)
    }

    /// Anything but a success.
    pub(super) fn other(message: Message) -> Self {
        if message.code() == 201 {
            return Self(
                Message::new(401, "General Failure").with("Message", "a success without a passage"),
            );
        }
        Self(message)
    }

    pub(super) fn into_message(self) -> Message {
        self.0
    }
}

/// Tells apt anything except a success.
pub(super) fn say(message: Message) -> Action {
    Action::Say(Reply::other(message))
}

/// Fails the whole run, and ends the method.
pub(super) fn fatal(why: &str) -> Vec<Action> {
    let failure =
        Message::new(401, "General Failure").with("Message", format!("apt-quorum: {why}"));
    vec![Action::Say(Reply::other(failure)), Action::End]
}
