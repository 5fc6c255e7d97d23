//! What a layout demands of files and commands, and what is told of it.

use super::{LayoutError, list_or_nothing, text};
use crate::attest::json::Value;
use crate::types::printable;

/// Most things that a layout demands and that are told one by one.
const MAX_NOTES: usize = 100;

/// The demands that are reported and not kept, at most [`MAX_NOTES`].
#[derive(Default)]
pub(super) struct Notes(pub(super) Vec<String>);

impl Notes {
    fn push(&mut self, note: String) {
        match self.0.len() {
            MAX_NOTES => self.0.push("and more of that kind".to_owned()),
            count if count < MAX_NOTES => self.0.push(note),
            _ => {}
        }
    }
}

/// The rules about files that the step must keep. Those of apt-transport-in-toto's own layout say
/// what holds here anyway: that the .deb is among the products. All others are told.
pub(super) fn rules_of_step(step: &Value, notes: &mut Notes) -> Result<(), LayoutError> {
    if !list_or_nothing(step, "expected_command")?.is_empty() {
        notes.push("not checked: the rebuilder's command".to_owned());
    }
    for (member, what) in [("expected_materials", "materials"), ("expected_products", "products")] {
        let products = what == "products";
        // Rules are consumed in order: what was allowed before is not forbidden later.
        let mut allowed = false;
        for rule in list_or_nothing(step, member)? {
            let words = words(rule)?;
            let shown = words.join(" ");
            let shown = printable(&shown);
            match words.as_slice() {
                ["CREATE", "*" | "*.deb"] if products => {
                    allowed = true;
                    notes.push(format!(
                        "not checked: that the products did not exist before the rebuild ({shown})"
                    ));
                }
                ["ALLOW", "*"] => allowed = true,
                ["ALLOW", "*.deb"] if products => allowed = true,
                ["DISALLOW", "*" | "*.deb"] if products && allowed => {}
                _ => notes.push(format!("not checked: the step's rule about {what}: {shown}")),
            }
        }
    }
    Ok(())
}

/// Inspections are commands of whoever made the layout.
pub(super) fn inspections(signed: &Value, notes: &mut Notes) -> Result<(), LayoutError> {
    for inspection in list_or_nothing(signed, "inspect")? {
        let name = text(inspection, "name").unwrap_or_default();
        notes.push(format!(
            "not checked: the inspection {} (apt-quorum runs no command of a layout)",
            printable(name)
        ));
    }
    Ok(())
}

/// A rule is a list of words.
fn words(rule: &Value) -> Result<Vec<&str>, LayoutError> {
    let wrong = LayoutError::Shape("a rule of the layout is not a list of texts");
    let words = rule.as_array().unwrap_or_default().iter().map(Value::as_str);
    let words: Option<Vec<&str>> = words.collect();
    words.filter(|it| !it.is_empty()).ok_or(wrong)
}
