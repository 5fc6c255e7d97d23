//! What the tests of the core build their worlds from: keys that exist for one run only, links
//! signed with them, packages in memory, policies.
//!
//! Nothing here asks the code under test how a thing is written: canonical texts, key ids and
//! archives are put together by hand, so that a mistake shows on one of the two sides.
#![allow(dead_code)] // each test binary uses its own part

pub mod archive;
pub mod deb;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use apt_quorum::attest::{self, Claim, KeyRing, PinnedKey, Rejection, WantedFile};
use apt_quorum::deb::{Examined, examine};
use apt_quorum::policy::{
    Answer, Decision, Evidence, Exception, GroupQuota, Listing, Matcher, Mode, OnConflict, Outcome,
    Place, Policy, Requirement, RequirementError, Rule, Subject,
};
use apt_quorum::types::{Identity, PublicKey, RebuilderName, Sha256Digest, Threshold, Timestamp};
use ed25519_dalek::{Signer, SigningKey};

/// The moment at which the tests judge.
pub fn now() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

pub fn moment(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub mod openpgp;

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn rebuilder(name: &str) -> RebuilderName {
    name.parse().unwrap()
}

pub fn rebuilders<'a>(names: impl IntoIterator<Item = &'a str>) -> BTreeSet<RebuilderName> {
    names.into_iter().map(rebuilder).collect()
}

/// `NAME VERSION ARCHITECTURE`.
pub fn identity(text: &str) -> Identity {
    let mut parts = text.split(' ');
    let mut next = || parts.next().unwrap();
    Identity {
        package: next().parse().unwrap(),
        version: next().parse().unwrap(),
        architecture: next().parse().unwrap(),
    }
}

/// Bytes from the operating system: no secret key stands in the repository.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    std::fs::File::open("/dev/urandom").unwrap().read_exact(&mut bytes).unwrap();
    bytes
}

/// An Ed25519 key made for this run.
pub struct Key(pub SigningKey);

impl Key {
    pub fn new() -> Self {
        Self(SigningKey::from_bytes(&random()))
    }

    pub fn public(&self) -> PublicKey {
        PublicKey::ed25519_from_bytes(self.0.verifying_key().to_bytes()).unwrap()
    }

    /// The key id as in-toto derives it, written out here a second time.
    pub fn id(&self) -> String {
        key_id(self.0.verifying_key().as_bytes())
    }

    /// The signature in hexadecimal.
    pub fn sign(&self, message: &[u8]) -> String {
        hex(&self.0.sign(message).to_bytes())
    }
}

/// The key id of 32 bytes: SHA-256 over the canonical JSON of securesystemslib's key object.
pub fn key_id(public: &[u8; 32]) -> String {
    let object = [
        r#"{"keyid_hash_algorithms":["sha256","sha512"],"#,
        r#""keytype":"ed25519","keyval":{"public":""#,
        &hex(public),
        r#""},"scheme":"ed25519"}"#,
    ]
    .concat();
    Sha256Digest::of(object.as_bytes()).to_string()
}

/// The canonical text of a link as rebuilderd writes it, for one product.
pub fn link_text(artifact: &str, sha256: Sha256Digest) -> String {
    format!(
        concat!(
            r#"{{"_type":"link","byproducts":{{}},"command":[],"environment":null,"#,
            r#""materials":{{}},"name":"rebuild {name}","#,
            r#""products":{{"{name}":{{"sha256":"{sha256}"}}}}}}"#
        ),
        name = artifact,
        sha256 = sha256
    )
}

/// A Metablock: `signed` as it is, signed by `keys` in order.
pub fn envelope(signed: &str, keys: &[&Key]) -> Vec<u8> {
    let signatures: Vec<String> = keys
        .iter()
        .map(|key| format!(r#"{{"keyid":"{}","sig":"{}"}}"#, key.id(), key.sign(signed.as_bytes())))
        .collect();
    format!(r#"{{"signatures":[{}],"signed":{signed}}}"#, signatures.join(",")).into_bytes()
}

/// An attestation that `artifact` has `sha256`, signed by `keys`.
pub fn attestation(artifact: &str, sha256: Sha256Digest, keys: &[&Key]) -> Vec<u8> {
    envelope(&link_text(artifact, sha256), keys)
}

pub fn pinned(rebuilder_name: &str, key: &Key, not_after: Option<Timestamp>) -> PinnedKey {
    PinnedKey { rebuilder: rebuilder(rebuilder_name), key: key.public(), not_after }
}

pub fn threshold(count: usize) -> Threshold {
    i64::try_from(count).unwrap().try_into().unwrap()
}

/// `count` of `counted` must confirm; a conflict warns.
pub fn requirement(count: usize, counted: &[&str]) -> Requirement {
    requirement_of(count, counted, &[], OnConflict::Warn)
}

pub fn requirement_of(
    count: usize,
    counted: &[&str],
    required: &[&str],
    on_conflict: OnConflict,
) -> Requirement {
    requirement_with(count, counted, required, &[], on_conflict).unwrap()
}

/// The same with groups, each with the number of its members that must confirm.
pub fn requirement_with(
    count: usize,
    counted: &[&str],
    required: &[&str],
    groups: &[(&str, usize, &[&str])],
    on_conflict: OnConflict,
) -> Result<Requirement, Vec<RequirementError>> {
    let quota = |(name, count, members): &(&str, usize, &[&str])| {
        let members = rebuilders(members.iter().copied());
        (name.parse().unwrap(), GroupQuota { threshold: threshold(*count), members })
    };
    Requirement::new(
        threshold(count),
        rebuilders(counted.iter().copied()),
        rebuilders(required.iter().copied()),
        groups.iter().map(quota).collect(),
        on_conflict,
    )
}

/// Rebuilders with a key each, and one package that they have rebuilt.
pub struct World {
    pub keys: BTreeMap<String, Vec<Key>>,
    pub identity: Identity,
    pub file: Examined,
}

impl World {
    /// `hello 2.10-3 amd64` and the rebuilders `names`.
    pub fn new(names: &[&str]) -> Self {
        Self::with_package(names, "hello 2.10-3 amd64")
    }

    pub fn with_package(names: &[&str], package: &str) -> Self {
        let identity = identity(package);
        let file = examine(deb::package(&identity).as_slice()).unwrap();
        assert_eq!(file.control().map(|control| &control.identity), Ok(&identity));
        let keys = names.iter().map(|&name| (name.to_owned(), vec![Key::new()])).collect();
        Self { keys, identity, file }
    }

    pub fn key(&self, name: &str) -> &Key {
        &self.keys[name][0]
    }

    pub fn names(&self) -> Vec<&str> {
        self.keys.keys().map(String::as_str).collect()
    }

    pub fn ring(&self) -> KeyRing {
        let all = self.keys.iter().flat_map(|(name, keys)| {
            keys.iter().map(|key| pinned(name, key, None)).collect::<Vec<_>>()
        });
        KeyRing::new(all.collect()).unwrap()
    }

    pub fn artifact(&self) -> String {
        self.identity.artifact_name().as_str().to_owned()
    }

    /// What the attestation comes to when it is verified for the package of this world.
    pub fn verify(&self, attestation: &[u8]) -> Result<Vec<Claim>, Rejection> {
        let artifact = self.identity.artifact_name();
        let wanted = WantedFile { artifact: &artifact, sha256: Some(self.file.sha256()) };
        attest::verify(attestation, &self.ring(), wanted, now())
    }

    /// Claims about the package with `sha256`, by attestations of one signature each.
    pub fn claims(&self, names: &[&str], sha256: Sha256Digest) -> Vec<Claim> {
        let attest = |&name: &&str| {
            let bytes = attestation(&self.artifact(), sha256, &[self.key(name)]);
            self.verify(&bytes).unwrap()
        };
        names.iter().flat_map(attest).collect()
    }

    /// Claims about the very bytes of the package.
    pub fn votes(&self, names: &[&str]) -> Vec<Claim> {
        self.claims(names, self.file.sha256())
    }

    /// Claims about other bytes under the package's name.
    pub fn conflicts(&self, names: &[&str]) -> Vec<Claim> {
        self.claims(names, Sha256Digest::of(b"other bytes"))
    }

    /// A file that nobody asked for under a name and that no archive lists.
    pub fn subject(&self) -> Subject {
        Subject::new(self.file.clone(), None, Vec::new())
    }

    /// A file that one archive lists.
    pub fn listed(&self) -> Subject {
        Subject::new(self.file.clone(), Some(self.identity.clone()), vec![listing()])
    }

    /// Enforces `default` over all rebuilders, with nothing else.
    pub fn policy(&self, default: Requirement) -> Policy {
        self.policy_of(Mode::Enforce, default, Vec::new(), Vec::new())
    }

    pub fn policy_of(
        &self,
        mode: Mode,
        default: Requirement,
        rules: Vec<Rule>,
        exceptions: Vec<Exception>,
    ) -> Policy {
        let names = rebuilders(self.names());
        Policy::new(mode, names, self.ring(), Some(default), rules, exceptions).unwrap()
    }
}

/// Whose key signed the index of the archive that the tests call Debian's.
pub const SIGNER: &str = "1111222233334444555566667777888899990000";

/// An archive as its Release file describes it.
pub fn listing() -> Listing {
    Listing {
        origin: "Debian".to_owned(),
        label: "Debian".to_owned(),
        suite: "stable".to_owned(),
        codename: "trixie".to_owned(),
        component: "main".to_owned(),
        site: "deb.debian.org".to_owned(),
        signed_by: vec![SIGNER.parse().unwrap()],
    }
}

pub fn globs(patterns: &[&str]) -> Option<Vec<apt_quorum::types::Glob>> {
    Some(patterns.iter().map(|pattern| pattern.parse().unwrap()).collect())
}

pub fn package_is(pattern: &str) -> Matcher {
    Matcher { package: globs(&[pattern]), ..Matcher::default() }
}

/// A place in the configuration, from its text; on line 1 where the text names none.
pub fn at_place(text: &str) -> Place {
    let (file, line) = text.rsplit_once(" line ").unwrap_or((text, "1"));
    Place { file: file.to_owned(), line: line.parse().unwrap() }
}

pub fn rule(place: &str, matcher: Matcher, requirement: Requirement) -> Rule {
    Rule { place: at_place(place), matcher, requirement, reason: None }
}

/// An exception that holds until the end of 2026.
pub fn exception(place: &str, matcher: Matcher) -> Exception {
    exception_until(place, matcher, "2027-01-01T00:00:00Z")
}

pub fn exception_until(place: &str, matcher: Matcher, expires: &str) -> Exception {
    Exception::new(at_place(place), matcher, "not reproducible".to_owned(), moment(expires))
}

pub fn claimed(claims: Vec<Claim>) -> Evidence {
    Evidence { claims, ..Evidence::default() }
}

pub fn answer(name: &str, outcome: Outcome) -> Answer {
    Answer { rebuilder: rebuilder(name), endpoint: format!("https://{name}.example/"), outcome }
}

/// `admit:quorum`, `admit:exception`, `admit:warn`, or `refuse:` and the code of the reason.
pub fn outcome(decision: &Decision) -> String {
    use apt_quorum::policy::Basis;
    match decision {
        Decision::Admit(admit) => match admit.basis() {
            Basis::Quorum => "admit:quorum".to_owned(),
            Basis::Exception { .. } => "admit:exception".to_owned(),
            Basis::WarnMode { .. } => "admit:warn".to_owned(),
        },
        Decision::Refuse(refusal) => format!("refuse:{}", refusal.reason.code()),
    }
}
