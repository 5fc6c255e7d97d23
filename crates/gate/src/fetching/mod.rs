//! Asks endpoints: from this process, or from one without privileges.
//!
//! A hook that runs as root must not speak HTTP or TLS with strangers. It starts this program again
//! as apt's unprivileged user ([`parent`], [`process`]) and exchanges lines of JSON with it
//! ([`wire`]). That process confines itself and asks ([`child`]). The received bytes are verified
//! as if they came from the network, which they do.

mod child;
mod confine;
mod parent;
mod process;
mod routes;
mod wire;

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use crate::evidence::{EndpointSetup, Engine, Event, Order};

pub use child::serve;
pub use confine::{Confinement, MethodPlaces, confine_fetcher, confine_method};
pub use parent::{Fetcher, builds_at_endpoints, keys_of_endpoints};
pub use process::{FETCH, fetching_user};
pub use routes::{Commands, Finder};
#[cfg(fuzzing)]
pub use wire::fuzzing;

/// A way to ask endpoints.
pub trait Gatherer {
    /// Takes an order.
    fn take(&mut self, order: Order);

    /// Returns the next event. Waits no longer than `patience`, if any is given.
    fn next(&mut self, patience: Option<Duration>) -> Next;
}

/// The result of waiting for an event.
#[derive(Debug)]
pub enum Next {
    /// An endpoint answered.
    Event(Event),
    /// Patience ran out.
    NotYet,
    /// No further event can come.
    Ended,
}

fn receive(events: &Receiver<Event>, patience: Option<Duration>) -> Next {
    match patience {
        None => events.recv().map_or(Next::Ended, Next::Event),
        Some(patience) => match events.recv_timeout(patience) {
            Ok(event) => Next::Event(event),
            Err(RecvTimeoutError::Timeout) => Next::NotYet,
            Err(RecvTimeoutError::Disconnected) => Next::Ended,
        },
    }
}

/// A gatherer that asks no endpoint, because the gate is closed.
#[derive(Debug)]
pub struct Nobody;

impl Gatherer for Nobody {
    fn take(&mut self, _: Order) {}

    fn next(&mut self, _: Option<Duration>) -> Next {
        Next::Ended
    }
}

/// A gatherer that asks from this process.
#[derive(Debug)]
pub struct Local {
    engine: Engine,
    events: Receiver<Event>,
}

impl Local {
    /// Starts asking.
    ///
    /// # Errors
    /// If the system has no thread or descriptor to spare.
    pub fn start(mut setup: EndpointSetup) -> std::io::Result<Self> {
        routes::find_for(&mut setup, None);
        let (send, events) = channel();
        let engine = Engine::start(setup, move |event| {
            let _ = send.send(event);
        })?;
        Ok(Self { engine, events })
    }
}

impl Gatherer for Local {
    fn take(&mut self, order: Order) {
        self.engine.take(order);
    }

    fn next(&mut self, patience: Option<Duration>) -> Next {
        receive(&self.events, patience)
    }
}
