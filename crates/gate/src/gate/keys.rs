//! Asks endpoints for the keys that they publish as their rebuilders'.
//!
//! As with evidence, root does not do this itself. The process without privileges returns a bounded
//! list of keys, and each of them is read again.

use std::io::{BufReader, Write};
use std::sync::mpsc::channel;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

use super::gather::{Process, SLACK, Task, Wire, fetching_user, read_line};
use crate::config::Protocol;
use crate::evidence::{KEYS_AT_ONCE, MAX_KEYS, Published, Setup, published_keys};
use crate::sys::plain;
use crate::sys::privileges::User;
use crate::types::{KeyKind, PublicKey, printable};

/// Longest line with the keys of one endpoint, in bytes.
const MAX_LINE: usize = 16 * 1024;

/// A [`Published`] between the two processes.
#[derive(Serialize, Deserialize)]
enum WirePublished {
    Keys(Vec<String>),
    Nothing(Option<Protocol>),
    Failed(String),
}

/// Returns the answer of every endpoint of `setup`, in their order.
///
/// # Errors
/// If no endpoint can be asked at all; for people.
pub fn keys_of_endpoints(setup: &Setup) -> Result<Vec<Published>, String> {
    let user = fetching_user(&setup.apt)?;
    let mut setup = setup.clone();
    super::routes::find_for(&mut setup, user.as_ref());
    match user {
        Some(user) => through_process(&setup, &user),
        None => published_keys(&setup).map_err(|error| plain(&error)),
    }
}

fn through_process(setup: &Setup, user: &User) -> Result<Vec<Published>, String> {
    let failed = |error: std::io::Error| {
        format!("the program that asks for keys cannot be started: {}", plain(&error))
    };
    let (process, output) = Process::start(user).map_err(failed)?;
    let asked = process.tell(&Wire::of(setup, Task::Keys));
    let count = setup.endpoints.len();
    let (send, receive) = channel();
    let started = asked.and_then(|()| {
        std::thread::Builder::new().name("keys".to_owned()).spawn(move || {
            let mut output = BufReader::new(output);
            let lines = std::iter::from_fn(|| read_line(&mut output, MAX_LINE));
            let _ = send.send(lines.take(count).map(WirePublished::into_published).collect());
        })
    });
    let turns = u32::try_from(count.div_ceil(KEYS_AT_ONCE)).unwrap_or(u32::MAX);
    let longest = setup.timeouts.total.saturating_mul(turns).saturating_add(SLACK);
    let published = match &started {
        Ok(_) => receive.recv_timeout(longest).ok().flatten(),
        Err(_) => None,
    };
    // It has sent all that it can, or it is stuck.
    drop(process);
    started.map_err(failed)?;
    published
        .filter(|published: &Vec<Published>| published.len() == count)
        .ok_or_else(|| "the program that asks for keys ended without an answer".to_owned())
}

/// The other side: asks, and writes a line for each endpoint.
pub(super) fn answer(setup: &Setup, mut output: impl Write) -> std::io::Result<()> {
    for published in published_keys(setup)? {
        let line = serde_json::to_string(&WirePublished::of(&published))?;
        writeln!(output, "{line}")?;
    }
    output.flush()
}

impl WirePublished {
    fn of(published: &Published) -> Self {
        let encode = |key: &PublicKey| BASE64.encode(key.to_bytes());
        match published {
            Published::Keys(keys) => Self::Keys(keys.iter().map(encode).collect()),
            Published::Nothing(seen) => Self::Nothing(*seen),
            // Short, or the line would be too long for the other side.
            Published::Failed(why) => Self::Failed(printable(why).to_string()),
        }
    }

    /// Reads a line without trusting it: the process may be under a stranger's control.
    fn into_published(self) -> Option<Published> {
        // rebuilderd knows no other kind.
        let decode = |text: &String| {
            PublicKey::from_bytes(KeyKind::Ed25519, &BASE64.decode(text).ok()?).ok()
        };
        Some(match self {
            Self::Keys(keys) if keys.len() <= MAX_KEYS => {
                Published::Keys(keys.iter().map(decode).collect::<Option<_>>()?)
            }
            Self::Keys(_) => return None,
            Self::Nothing(seen) => Published::Nothing(seen),
            Self::Failed(why) => Published::Failed(why),
        })
    }
}
