//! Keyrings: several OpenPGP certificates in one file, as apt reads them.

use std::io::Read;
use std::sync::OnceLock;

use pgp::armor::Dearmor;
use pgp::composed::{Deserializable, SignedPublicKey};
use pgp::types::{KeyDetails as _, Tag};

use super::Certificate;
use super::packets::next;

const BEGIN: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
const END: &str = "-----END PGP PUBLIC KEY BLOCK-----";

/// Most certificates that are taken out of one keyring. Debian's archive has about 15.
const MOST: usize = 256;

/// One certificate of a keyring whose own signatures were not verified yet: most are of no use for
/// what is at hand.
#[derive(Debug, Clone)]
pub struct Unverified {
    packets: Vec<u8>,
    /// The fingerprints of its keys, in hexadecimal, lower case
    keys: Vec<String>,
    /// Judged when it is first asked for, and once: it can have thousands of signatures
    verified: OnceLock<Option<Certificate>>,
}

impl Unverified {
    /// The certificates in a keyring, binary or armoured. What is none, or of no version that is
    /// read here, is left out.
    #[must_use]
    pub fn all_in(keyring: &[u8]) -> Vec<Self> {
        // The first octet of every packet has its highest bit set (RFC 9580 section 4.2).
        let binary = if keyring.first().is_some_and(|it| it & 0x80 != 0) {
            vec![keyring.to_vec()]
        } else {
            dearmored(&String::from_utf8_lossy(keyring))
        };
        let blocks = binary.iter().flat_map(|it| split(it)).take(MOST);
        blocks.filter_map(Self::of).collect()
    }

    fn of(packets: &[u8]) -> Option<Self> {
        if packets.len() > Certificate::MAX_LENGTH {
            return None;
        }
        let key = SignedPublicKey::from_bytes(packets).ok()?;
        let subkeys = key.public_subkeys.iter().map(|it| it.key.fingerprint());
        let keys = std::iter::once(key.primary_key.fingerprint()).chain(subkeys);
        let keys = keys.map(|it| it.to_string().to_ascii_lowercase()).collect();
        Some(Self { packets: packets.to_vec(), keys, verified: OnceLock::new() })
    }

    /// The fingerprint of its primary key, in hexadecimal.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        self.keys.first().map(String::as_str).unwrap_or_default()
    }

    /// Returns true when `id` can mean one of its keys. `id` is a fingerprint or the end of one, in
    /// hexadecimal and in lower case.
    #[must_use]
    pub fn may_be(&self, id: &str) -> bool {
        !id.is_empty() && self.keys.iter().any(|it| it.ends_with(id))
    }

    /// The certificate, if it is a good one.
    #[must_use]
    pub fn verified(&self) -> Option<&Certificate> {
        self.verified.get_or_init(|| Certificate::from_packets(&self.packets).ok()).as_ref()
    }
}

/// The packets in every block of armour.
fn dearmored(text: &str) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find(BEGIN) {
        let from = rest.get(start..).unwrap_or_default();
        let Some(end) = from.find(END) else { break };
        let (block, after) = from.split_at(end + END.len());
        let mut packets = Vec::new();
        if Dearmor::new(block.as_bytes()).read_to_end(&mut packets).is_ok() {
            all.push(packets);
        }
        rest = after;
    }
    all
}

/// The packets of each certificate, by where the primary keys stand. Nothing from the first packet
/// on that has no plain length.
fn split(packets: &[u8]) -> Vec<&[u8]> {
    let mut starts = Vec::new();
    let (mut rest, mut at) = (packets, 0);
    while let Some((header, _)) = next(&mut rest).ok().filter(|_| at < packets.len()) {
        if header.tag() == Tag::PublicKey {
            starts.push(at);
        }
        at = packets.len() - rest.len();
    }
    let ends = starts.iter().skip(1).copied().chain([at]);
    starts.iter().zip(ends).filter_map(|(start, end)| packets.get(*start..end)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_keyring_holds_nothing() {
        let armour = format!("{BEGIN}\n\nAAAA\n{END}\n");
        let unfinished = format!("{BEGIN}\n\nAAAA");
        for odd in [
            &b""[..],
            b"text",
            &[0x99],
            &[0x99, 0xff, 0xff, 4],
            &[0xc6, 0xff, 0xff, 0xff, 0xff, 0xff],
            &[0x9b, 4, 4, 4],
            armour.as_bytes(),
            unfinished.as_bytes(),
        ] {
            assert!(Unverified::all_in(odd).is_empty(), "{odd:?}");
        }
    }
}
