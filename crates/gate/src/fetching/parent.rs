//! Asking through the process without privileges, from root's side.
//!
//! Root believes nothing that the process says. Attestations are bytes to be verified, answers are
//! bounded in number and time, and each published key is read again.

use std::collections::VecDeque;
use std::io::BufReader;
use std::sync::mpsc::{Receiver, channel, sync_channel};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use super::process::{FetchingProcess, SLACK, fetching_user};
use super::wire::{MAX_LINE, MAX_LINE_OF_ONE, Task, Wire, WireEvent, WirePublished, read_line};
use super::{Gatherer, Next, receive, routes};
use crate::evidence::{
    BuildHistory, ENDPOINTS_AT_ONCE, EndpointSetup, Event, Found, Order, PublishedKeys, QuestionId,
    build_histories, published_keys,
};
use crate::policy::Outcome;
use crate::sys::plain;
use crate::sys::privileges::User;
use crate::types::Identity;

/// Events that are read from the fetching process before they are handled.
const EVENTS_AHEAD: usize = 4;

/// A gatherer that asks through a process without privileges, started at the first question.
#[derive(Debug)]
pub struct Fetcher {
    setup: EndpointSetup,
    user: User,
    process: Option<FetchingProcess>,
    events: Option<Receiver<Event>>,
    /// The reason for which there is no process, which then answers every question
    failure: Option<String>,
    unasked: VecDeque<Event>,
    /// The number of answers that it owes
    outstanding: usize,
    /// The time of its last answer, or of the last question
    heard: Instant,
}

impl Fetcher {
    /// Makes a fetcher that asks as `user`.
    #[must_use]
    pub fn new(setup: EndpointSetup, user: User) -> Self {
        Self {
            setup,
            user,
            process: None,
            events: None,
            failure: None,
            unasked: VecDeque::new(),
            outstanding: 0,
            heard: Instant::now(),
        }
    }

    /// Answers for the endpoints, which cannot be asked.
    fn fail(&mut self, why: &str, question: QuestionId, endpoints: Vec<usize>) {
        for at in endpoints {
            let Some(endpoint) = self.setup.endpoints.get(at) else { continue };
            let found = Found {
                rebuilder: endpoint.rebuilder.clone(),
                endpoint: endpoint.url.to_string(),
                attestations: Vec::new(),
                outcome: Outcome::Unreachable { why: why.to_owned() },
            };
            self.unasked.push_back(Event { question, endpoint: at, found });
        }
    }

    fn start(&mut self) -> std::io::Result<()> {
        routes::find_for(&mut self.setup, Some(&self.user));
        let (process, output) = FetchingProcess::start(&self.user)?;
        process.tell(&Wire::of(&self.setup, Task::Evidence))?;
        // Bounded: while this side verifies, the process must wait, and with it the network.
        let (send, events) = sync_channel(EVENTS_AHEAD);
        std::thread::Builder::new().name("fetcher".to_owned()).spawn(move || {
            let mut output = BufReader::new(output);
            while let Some(event) = read_line(&mut output, MAX_LINE).and_then(WireEvent::into_event)
            {
                if send.send(event).is_err() {
                    return;
                }
            }
        })?;
        self.process = Some(process);
        self.events = Some(events);
        Ok(())
    }
}

impl Gatherer for Fetcher {
    fn take(&mut self, order: Order) {
        let Order::Ask { id, ref endpoints, .. } = order else {
            // It only saves work. If the process ended, the next question or answer shows it.
            let _ = self.process.as_ref().map(|process| process.tell(&order));
            return;
        };
        let endpoints = endpoints.clone();
        self.heard = Instant::now();
        if self.process.is_none() && self.failure.is_none() {
            let started = self.start();
            self.failure = started.err().map(|error| {
                format!("the program that fetches evidence cannot be started: {}", plain(&error))
            });
        }
        if let Some(why) = self.failure.clone() {
            return self.fail(&why, id, endpoints);
        }
        let Some(process) = &self.process else { return };
        if let Err(error) = process.tell(&order) {
            // It must not be waited for: it does not know the question.
            let why = format!("the program that fetches evidence ended: {}", plain(&error));
            self.fail(&why, id, endpoints);
            self.failure = Some(why);
            self.process = None;
        } else {
            self.outstanding = self.outstanding.saturating_add(endpoints.len());
        }
    }

    fn next(&mut self, patience: Option<Duration>) -> Next {
        if let Some(event) = self.unasked.pop_front() {
            return Next::Event(event);
        }
        let Some(events) = &self.events else { return Next::Ended };
        // It answers every question within the time for one, eight at a time. So an answer always
        // comes within twice that time, unless the process got stuck or is no longer the one that
        // was started.
        let longest = self.setup.timeouts.total.saturating_mul(2) + SLACK;
        let left = longest.saturating_sub(self.heard.elapsed());
        match receive(events, Some(patience.map_or(left, |it| it.min(left)))) {
            Next::NotYet if self.heard.elapsed() < longest => Next::NotYet,
            Next::Event(event) if self.outstanding > 0 => {
                self.outstanding -= 1;
                self.heard = Instant::now();
                Next::Event(event)
            }
            // It got stuck, it ended, or it sends answers without questions, which it could do for
            // ever. Another process would fare no better.
            _ => {
                (self.process, self.events) = (None, None);
                self.failure = Some("the program that fetches evidence ended".to_owned());
                Next::Ended
            }
        }
    }
}

/// Returns the keys of every endpoint of `setup`, in their order.
///
/// # Errors
/// If no endpoint can be asked at all; for people.
pub fn keys_of_endpoints(setup: &EndpointSetup) -> Result<Vec<PublishedKeys>, String> {
    ask_once(setup, Task::Keys, published_keys, WirePublished::into_published)
}

/// Returns the builds of a package at every endpoint of `setup`, in their order.
///
/// # Errors
/// If no endpoint can be asked at all; for people.
pub fn builds_at_endpoints(
    setup: &EndpointSetup,
    identity: &Identity,
) -> Result<Vec<BuildHistory>, String> {
    let here = |setup: &EndpointSetup| build_histories(setup, identity);
    ask_once(setup, Task::Builds(identity.clone()), here, BuildHistory::within_bounds)
}

/// Asks every endpoint once: `here`, or in a process without privileges, whose lines `read` checks.
fn ask_once<W: DeserializeOwned + 'static, T: Send + 'static>(
    setup: &EndpointSetup,
    task: Task,
    here: impl Fn(&EndpointSetup) -> std::io::Result<Vec<T>>,
    read: fn(W) -> Option<T>,
) -> Result<Vec<T>, String> {
    let user = fetching_user(&setup.apt)?;
    let mut setup = setup.clone();
    routes::find_for(&mut setup, user.as_ref());
    match user {
        Some(user) => through_process(&setup, &user, task, read),
        None => here(&setup).map_err(|error| plain(&error)),
    }
}

fn through_process<W: DeserializeOwned + 'static, T: Send + 'static>(
    setup: &EndpointSetup,
    user: &User,
    task: Task,
    read: fn(W) -> Option<T>,
) -> Result<Vec<T>, String> {
    let failed = |error: std::io::Error| {
        format!("the program that asks rebuilders cannot be started: {}", plain(&error))
    };
    let (process, output) = FetchingProcess::start(user).map_err(failed)?;
    let asked = process.tell(&Wire::of(setup, task));
    let count = setup.endpoints.len();
    let (send, receive) = channel();
    let started = asked.and_then(|()| {
        std::thread::Builder::new().name("asked".to_owned()).spawn(move || {
            let mut output = BufReader::new(output);
            let lines = std::iter::from_fn(|| read_line(&mut output, MAX_LINE_OF_ONE));
            let _ = send.send(lines.take(count).map(read).collect());
        })
    });
    let turns = u32::try_from(count.div_ceil(ENDPOINTS_AT_ONCE)).unwrap_or(u32::MAX);
    let longest = setup.timeouts.total.saturating_mul(turns).saturating_add(SLACK);
    let answers = match &started {
        Ok(_) => receive.recv_timeout(longest).ok().flatten(),
        Err(_) => None,
    };
    // It has sent all that it can, or it is stuck.
    drop(process);
    started.map_err(failed)?;
    answers
        .filter(|answers: &Vec<T>| answers.len() == count)
        .ok_or_else(|| "the program that asks rebuilders ended without an answer".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apt::configuration::Configuration;
    use crate::config::Timeouts;
    use crate::evidence::{Network, Routes};

    /// It could do so for ever, and the waiting process would never finish.
    #[test]
    fn a_process_that_answers_what_nobody_asked_is_heard_no_more() {
        let setup = EndpointSetup {
            endpoints: Vec::new(),
            timeouts: Timeouts { answer: Duration::from_secs(1), total: Duration::from_secs(1) },
            authorities: None,
            apt: Configuration::default(),
            proxy: None,
            network: Network::Denied,
            routes: Routes::default(),
            keep: None,
        };
        let mut fetcher = Fetcher::new(setup, User::nobody());
        let (send, events) = channel();
        fetcher.events = Some(events);
        fetcher.outstanding = 2;
        for question in 0..3 {
            let found = Found {
                rebuilder: "a".parse().unwrap(),
                endpoint: "https://a.example/".to_owned(),
                attestations: Vec::new(),
                outcome: Outcome::Unreachable { why: "x".to_owned() },
            };
            send.send(Event { question, endpoint: 0, found }).unwrap();
        }
        assert!(matches!(fetcher.next(None), Next::Event(_)));
        assert!(matches!(fetcher.next(Some(Duration::ZERO)), Next::Event(_)));
        assert!(matches!(fetcher.next(Some(Duration::ZERO)), Next::Ended));
        assert!(matches!(fetcher.next(None), Next::Ended));
    }
}
