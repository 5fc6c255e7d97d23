//! Statements about an image, and their verification.
//!
//! With one signature, a statement binds the content of the image ([`manifest`]), the packages that
//! are installed in it, and the rebuilders that confirmed each. A verifier believes only the first:
//! that the signer means this very tree. It compares the packages with dpkg's database. It
//! determines their confirmations again from evidence, by its own policy.

mod bundle;
mod check;
pub mod manifest;
mod statement;
mod tree;

pub use bundle::{Bundled, bundle};
pub use check::{
    ExpectedStatement, Problem, check_file, check_installed, check_statement, check_tree,
};
pub use manifest::{Manifest, ManifestError};
pub use statement::{
    Confirmation, ImageStatement, MANIFEST, MAX_STATEMENT, StatedPackage, StatedState,
    StatementFacts, name_of_key, name_of_policy, name_of_tree, packages,
};
pub use tree::TreeError;
