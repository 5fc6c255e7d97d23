//! The words of the program as types: what is valid is decided once, when a value is made.
//!
//! Nothing here trusts its input: every constructor checks, and every field is private.
//! No clock, no network, no file system.
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

mod artifact;
mod certificate;
mod digest;
mod fingerprint;
mod glob;
mod hashed;
mod key;
mod keyring;
mod package;
mod packets;
mod pem;
mod rebuilder;
mod secret;
mod text;
mod time;

pub use artifact::{ArtifactName, Called, Identity};
pub use certificate::{Certificate, KeyFault};
pub(crate) use certificate::{Component, ComponentKey, is_strong, is_understood};
pub(crate) use digest::hex_decode;
pub use digest::{DigestError, Sha256Digest};
pub use fingerprint::{Fingerprint, FingerprintError};
pub use glob::{Glob, GlobError};
pub(crate) use hashed::{Hashed, hashed_part};
pub(crate) use key::KeyMaterial;
pub use key::{EcdsaP256Key, KeyError, KeyId, KeyKind, PublicKey, RsaKey};
pub use keyring::Unverified;
pub use package::{Architecture, DebVersion, NameError, PackageName, SourceName};
pub use rebuilder::{
    GroupName, GroupNameError, RebuilderName, RebuilderNameError, Threshold, ThresholdError,
};
pub use secret::{SecretKey, SecretKeyError};
pub use text::{Printable, plain, printable};
pub use time::{Timestamp, TimestampError};
