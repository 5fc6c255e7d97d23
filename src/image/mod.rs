//! What somebody says about an image, and whether it is so.
//!
//! A statement binds three things with one signature: what is in the image ([`manifest`]), which
//! packages are installed in it, and which operators confirmed each. Whoever verifies one believes
//! only the first word of that, that the signer means this very tree: the packages are compared
//! with dpkg's database, and who confirmed them is found out again from evidence, by the
//! verifier's own policy.

mod bundle;
mod check;
pub mod manifest;
mod statement;

pub use bundle::{Bundled, bundle};
pub use check::{Expected, Problem, check_file, check_installed, check_statement, check_tree};
pub use manifest::{Manifest, ManifestError};
pub use statement::{
    About, Confirmation, MANIFEST, MAX_STATEMENT, Package, Statement, Told, name_of_key,
    name_of_policy, name_of_tree, packages,
};
