//! The keys that an endpoint publishes as its rebuilder's.
//!
//! Only the server itself confirms that they are. So such a key is shown to people, and never
//! trusted because of that.

use std::collections::BTreeSet;
use std::rc::Rc;

use reqwest::Url;
use serde::Deserialize;
use tokio::sync::Semaphore;
use tokio::task::LocalSet;

use super::fetch::Fetch;
use super::http::{Door, DoorError, Doors};
use super::{EndpointSetup, Network};
use crate::config::{Endpoint, Protocol};
use crate::types::{KeyKind, PublicKey};

/// Most keys that one endpoint may publish: rebuilderd has one, and two during a change of keys.
pub const MAX_KEYS: usize = 16;

/// Longest list of keys, in bytes.
const MAX_LIST: usize = 64 * 1024;

/// The number of endpoints that are asked at the same time.
pub const ENDPOINTS_AT_ONCE: usize = 8;

/// The result of asking an endpoint for its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublishedKeys {
    /// These keys, at least one.
    Keys(Vec<PublicKey>),
    /// It publishes none, like most kinds of endpoints. If it was asked as a rebuilderd, it may
    /// turn out to speak another protocol.
    Nothing(Option<Protocol>),
    /// It could not be asked, or its answer is unusable; for people.
    Failed(String),
}

/// rebuilderd's answer, in both versions of its API.
#[derive(Deserialize)]
struct PublicKeyList {
    current: Vec<String>,
}

/// Asks all endpoints of `setup` for their keys, and waits for them.
///
/// # Errors
/// If the system has no descriptor to spare.
pub fn published_keys(setup: &EndpointSetup) -> std::io::Result<Vec<PublishedKeys>> {
    let ask = |door: Door, endpoint: Endpoint| async move {
        match endpoint.protocol {
            Protocol::Rebuilderd => keys_of(&door, &endpoint.url).await,
            Protocol::IntotoMetadata | Protocol::Directory | Protocol::Archive => {
                PublishedKeys::Nothing(None)
            }
        }
    };
    ask_each(setup, ask, PublishedKeys::Failed)
}

/// Asks all endpoints of `setup`, and returns their answers in their order. `failed` makes the
/// answer of one that cannot be asked.
pub(super) fn ask_each<T: 'static, F: Future<Output = T> + 'static>(
    setup: &EndpointSetup,
    ask: impl Fn(Door, Endpoint) -> F,
    failed: fn(String) -> T,
) -> std::io::Result<Vec<T>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let doors = match setup.network {
        Network::Allowed => {
            Doors::new(&setup.routes, setup.authorities.as_deref(), setup.timeouts.answer)
                .map_err(|error| error.to_string())
        }
        Network::Denied => Err("not asked: offline".to_owned()),
    };
    let total = setup.timeouts.total;
    Ok(LocalSet::new().block_on(&runtime, async {
        let at_once = Rc::new(Semaphore::new(ENDPOINTS_AT_ONCE));
        let start = |endpoint: &Endpoint| {
            let at_once = Rc::clone(&at_once);
            let asking = match &doors {
                Ok(doors) => Ok(ask(doors.of(&endpoint.rebuilder), endpoint.clone())),
                Err(why) => Err(why.clone()),
            };
            tokio::task::spawn_local(async move {
                let _permit = at_once.acquire().await;
                let late = |_| failed(format!("no complete answer within {} s", total.as_secs()));
                match asking {
                    Ok(asking) => tokio::time::timeout(total, asking).await.unwrap_or_else(late),
                    Err(why) => failed(why),
                }
            })
        };
        let asked: Vec<_> = setup.endpoints.iter().map(start).collect();
        let mut answers = Vec::new();
        for it in asked {
            let cancelled = |_| failed("the request was cancelled".to_owned());
            answers.push(it.await.unwrap_or_else(cancelled));
        }
        answers
    }))
}

/// Asks a rebuilderd. Tries version 1 of its API first. Before 0.25 it has no keys of its own, and
/// it does not publish those of its workers.
async fn keys_of(door: &impl Fetch, base: &Url) -> PublishedKeys {
    for path in ["api/v1/meta/public-keys", "api/v0/public-keys"] {
        let Ok(url) = base.join(path) else { break };
        match door.get(url, MAX_LIST).await {
            Ok(Some(body)) => return read(&body).unwrap_or_else(PublishedKeys::Failed),
            Ok(None) => {}
            Err(error) => return PublishedKeys::Failed(error.to_string()),
        }
    }
    PublishedKeys::Nothing(protocol_of(door, base).await)
}

/// Guesses the protocol at `base` from outside: an older rebuilderd, a tree of links, an archive.
/// The result is a hint for people, like everything that an endpoint says about itself.
async fn protocol_of(door: &impl Fetch, base: &Url) -> Option<Protocol> {
    let signs = [
        ("api/v0/dashboard", Protocol::Rebuilderd),
        ("sources/", Protocol::IntotoMetadata),
        ("dists/", Protocol::Archive),
    ];
    for (path, protocol) in signs {
        match door.get(base.join(path).ok()?, MAX_LIST).await {
            // A list of all sources is larger than the limit.
            Ok(Some(_)) | Err(DoorError::TooLarge(_)) => return Some(protocol),
            Ok(None) | Err(_) => {}
        }
    }
    None
}

/// Parses a list, for the fuzz target.
#[cfg(fuzzing)]
pub fn read_list(body: &[u8]) -> Result<PublishedKeys, String> {
    read(body)
}

/// Parses the list. A list with any error is not used at all.
fn read(body: &[u8]) -> Result<PublishedKeys, String> {
    let list: PublicKeyList = serde_json::from_slice(body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        format!("invalid list of keys (line {line}, column {column})")
    })?;
    if list.current.len() > MAX_KEYS {
        return Err(format!("it lists more than {MAX_KEYS} keys"));
    }
    let read = |text: &String| match PublicKey::read(KeyKind::Ed25519, text) {
        Ok(key) => Ok(key),
        Err(_) if text.contains("PRIVATE KEY") => {
            Err("it publishes a private key, so anyone can sign in its name".to_owned())
        }
        Err(error) => Err(format!("it lists an invalid key: {error}")),
    };
    let keys: BTreeSet<PublicKey> = list.current.iter().map(read).collect::<Result<_, _>>()?;
    Ok(match keys.is_empty() {
        true => PublishedKeys::Nothing(None),
        false => PublishedKeys::Keys(keys.into_iter().collect()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RFC: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";
    const NULL: &str = "-----BEGIN PUBLIC KEY-----\r\nMCwwBwYDK2VwBQADIQDXWpgBgrEKt9VL/tPJZAc6DuFy89qmIyWvAhpo9wdRGg==\r\n-----END PUBLIC KEY-----\r\n";

    fn list(keys: &[&str]) -> Result<PublishedKeys, String> {
        read(serde_json::json!({ "current": keys, "more": [] }).to_string().as_bytes())
    }

    #[test]
    fn it_is_all_keys_or_nothing() {
        let key = PublicKey::ed25519_from_pem(RFC).unwrap();
        assert_eq!(
            list(&[RFC, NULL]),
            Ok(PublishedKeys::Keys(vec![key])),
            "one, whatever its form"
        );
        assert_eq!(list(&[]), Ok(PublishedKeys::Nothing(None)));
        let most = [RFC; MAX_KEYS];
        assert!(matches!(list(&most), Ok(PublishedKeys::Keys(keys)) if keys.len() == 1));
        assert!(list(&[RFC; MAX_KEYS + 1]).is_err());
        for bad in ["", "x", &RFC.replace("PUBLIC", "PRIVATE"), &format!("{RFC}{RFC}")] {
            assert!(list(&[RFC, bad]).is_err(), "{bad:?}");
        }
        for bad in [&b""[..], b"{}", b"null", b"{\"current\":null}", b"{\"current\":[1]}", b"\xff"]
        {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }
}
