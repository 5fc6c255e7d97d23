//! The keys of a layout's step as rebuilders.

use std::collections::BTreeMap;

use reqwest::Url;

use crate::attest::{Layout, Numbers, Stated, StepKey};
use crate::config::{Draft, DraftEndpoint, DraftKey, Protocol};
use crate::types::{Certificate, PublicKey, RebuilderName, Timestamp, printable};

/// Fewest digits of a key id that can name a key.
const FEWEST_DIGITS: usize = 8;

/// The owner of a key, as a person named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepKeyOwner {
    /// The id of the key, or the first digits of it
    pub key: String,
    /// The rebuilder that has it
    pub name: RebuilderName,
}

/// The reason why a layout's keys do not become rebuilders.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RebuildersError {
    /// The layout has only the numbers of these keys, and no certificate.
    #[error(
        "the layout has only the numbers of these OpenPGP keys. Their certificates are needed, because they tell if a key was revoked: {}. Nothing was written. Get each certificate in a way that you trust, or export it from a keyring, and give its file with --certificate:\n{}",
        .0.join(", "),
        exports(.0)
    )]
    NoCertificate(Vec<String>),
    /// The fingerprint of this certificate matches the layout, and its numbers do not.
    #[error("the certificate {0} does not match the numbers in the layout. Nothing was written.")]
    OtherNumbers(String),
    /// The layout expires today, and a key's end is written as a day.
    #[error("the layout expires today: its author must renew and sign it. Nothing was written.")]
    EndsToday,
    /// A name was given for no key of the layout, or for several.
    #[error("--rebuilder {}: {why}. Nothing was written.", printable(.key))]
    Owner {
        /// The key that was named
        key: String,
        /// The mistake
        why: &'static str,
    },
}

impl std::str::FromStr for StepKeyOwner {
    type Err = String;

    /// Parses `KEYID=NAME`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (key, name) = text.split_once('=').ok_or("write KEYID=NAME")?;
        if key.len() < FEWEST_DIGITS || !key.bytes().all(|it| it.is_ascii_hexdigit()) {
            return Err(format!("a key is named by {FEWEST_DIGITS} or more digits of its id"));
        }
        let name =
            name.parse().map_err(|error: crate::types::RebuilderNameError| error.to_string())?;
        Ok(Self { key: key.to_ascii_lowercase(), name })
    }
}

/// Makes the rebuilders that own the keys of the layout's step: one for each key, unless `owners`
/// says otherwise. Each is asked at all of `urls`, because the layout does not say which address is
/// whose. The signature decides whose vote an attestation is.
///
/// Adds each difference from the layout to `notes`.
///
/// # Errors
/// See [`RebuildersError`].
pub fn of_layout(
    layout: &Layout,
    certificates: &[Certificate],
    owners: &[StepKeyOwner],
    urls: &[Url],
    now: Timestamp,
    notes: &mut Vec<String>,
) -> Result<Vec<Draft>, RebuildersError> {
    // A key's end is a day, and no key may outlive the layout, so these keys would have ended
    // already.
    if layout.expires.date() == now.date() {
        return Err(RebuildersError::EndsToday);
    }
    let names = names(layout, owners)?;
    let mut missing = Vec::new();
    let mut drafts: BTreeMap<RebuilderName, Draft> = BTreeMap::new();
    for (key, name) in layout.keys.iter().zip(names) {
        let public = match &key.stated {
            Stated::Whole(key) => key.clone(),
            Stated::OutOf(numbers) => match certificate(numbers, certificates)? {
                Some(certificate) => {
                    compare(numbers, certificate, now, notes);
                    PublicKey::OpenPgp(certificate.clone())
                }
                None => {
                    missing.push(numbers.fingerprint().to_owned());
                    continue;
                }
            },
        };
        let draft = drafts.entry(name.clone()).or_insert_with(|| {
            let mut draft = Draft::new(name);
            draft.comments.push("Imported from an in-toto layout.".to_owned());
            let endpoint = |url: &Url| DraftEndpoint {
                protocol: Protocol::IntotoMetadata,
                url: url.clone(),
                architectures: None,
                archive: None,
            };
            draft.endpoints = urls.iter().map(endpoint).collect();
            draft
        });
        draft.keys.push(DraftKey {
            key: public,
            not_after: Some(layout.expires),
            comments: vec!["Valid as long as the layout.".to_owned()],
        });
    }
    if !missing.is_empty() {
        return Err(RebuildersError::NoCertificate(missing));
    }
    notes.push(format!(
        "the keys count until {}, like the layout; change not_after when the layout is renewed",
        layout.expires.date()
    ));
    if drafts.len() < layout.keys.len() {
        notes.push(
            "the layout counts keys and the policy counts rebuilders: keys of one rebuilder are one vote"
                .to_owned(),
        );
    }
    if urls.len() > 1 && drafts.len() > 1 {
        notes.push(
            "the layout does not say which address belongs to which rebuilder, so each rebuilder is asked at every address; the signature, not the server, decides whose vote it is. Remove the addresses of others"
                .to_owned(),
        );
    }
    Ok(drafts.into_values().collect())
}

/// Returns the name of each key's owner, in the order of the layout.
fn names(layout: &Layout, owners: &[StepKeyOwner]) -> Result<Vec<RebuilderName>, RebuildersError> {
    let wrong = |key: &str, why| RebuildersError::Owner { key: key.to_owned(), why };
    let called =
        |key: &StepKey, owner: &StepKeyOwner| key.id.to_ascii_lowercase().starts_with(&owner.key);
    for owner in owners {
        match layout.keys.iter().filter(|key| called(key, owner)).count() {
            0 => return Err(wrong(&owner.key, "the step has no such key")),
            1 => {}
            _ => return Err(wrong(&owner.key, "several keys of the step begin with it")),
        }
    }
    let name = |key: &StepKey| {
        let mut given = owners.iter().filter(|owner| called(key, owner));
        match (given.next(), given.next()) {
            (Some(owner), None) => Ok(owner.name.clone()),
            (Some(_), Some(second)) => Err(wrong(&second.key, "this key has a name already")),
            (None, _) => {
                let start: String = key.id.to_ascii_lowercase().chars().take(16).collect();
                format!("key-{start}").parse().map_err(|_| {
                    wrong(&key.id, "this key needs a name: give --rebuilder KEYID=NAME")
                })
            }
        }
    };
    layout.keys.iter().map(name).collect()
}

/// Finds the certificate that these numbers are a part of.
fn certificate<'c>(
    numbers: &Numbers,
    certificates: &'c [Certificate],
) -> Result<Option<&'c Certificate>, RebuildersError> {
    let called = certificates.iter().find(|it| it.fingerprint() == numbers.fingerprint());
    match called {
        Some(certificate) if !numbers.are_out_of(certificate) => {
            Err(RebuildersError::OtherNumbers(numbers.fingerprint().to_owned()))
        }
        found => Ok(found),
    }
}

/// Adds a note where a certificate says more, or less, than the layout.
fn compare(numbers: &Numbers, certificate: &Certificate, now: Timestamp, notes: &mut Vec<String>) {
    let start: String = numbers.fingerprint().chars().take(16).collect();
    for subkey in numbers.unnamed(certificate, now) {
        notes.push(format!(
            "the layout does not name the subkey {subkey} of the certificate {start}, whose signatures count as well"
        ));
    }
    if let Err(fault) = certificate.can_sign(now) {
        notes.push(format!("no key of the certificate {start} can sign now: {fault}"));
    }
}

fn exports(missing: &[String]) -> String {
    let lines: Vec<String> =
        missing.iter().map(|it| format!("  gpg --armor --output {it}.asc --export {it}")).collect();
    lines.join("\n")
}
