//! The accepted parts of an archive: the keys of an endpoint that only `protocol = "archive"` has.

use super::diagnostic::Problems;
use super::reader::{Located, Table};
use crate::attest::repository::Terms;
use crate::types::RebuilderName;

/// Reads these keys, all of which are required.
pub(super) fn terms(
    table: &mut Table<'_, '_>,
    rebuilder: Option<&RebuilderName>,
    problems: &mut Problems,
) -> Option<Terms> {
    let suite = path(table, "suite", problems);
    let what = "name the directory below dists/";
    let suite = table.required("suite", what, suite, problems);
    let components = table.list::<String>("component", problems);
    let what = "write component = [\"main\"]";
    let components = table.required("component", what, components, problems);
    let taken_over = path(table, "taken_over", problems);
    let what =
        "name the list, below dists/SUITE/, of the packages that it copied and did not rebuild";
    let taken_over = table.required("taken_over", what, taken_over, problems);
    let components = components.filter(|list| list.complete)?;
    let mut names = Vec::new();
    for Located { value, place } in components.items {
        if !is_path(&value) {
            problems.push(place.saying(&"this is not the name of a component"));
            return None;
        }
        names.push(value);
    }
    Some(Terms {
        rebuilder: rebuilder?.clone(),
        suite: suite?,
        components: names,
        taken_over: taken_over?,
    })
}

fn path(table: &mut Table<'_, '_>, key: &'static str, problems: &mut Problems) -> Option<String> {
    let text = table.text(key, problems)?;
    if !is_path(&text.value) {
        problems.push(text.place.saying(&format!("{key} is a path below dists/, without ..")));
        return None;
    }
    Some(text.value.into_owned())
}

/// Returns true when this is a path that leads down and means the same in a URL. Every part has
/// letters, digits and `. _ + ~ -`, and is not `.` or `..`.
fn is_path(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._+~-".contains(c);
    text.split('/').all(|part| {
        !part.is_empty() && !part.chars().all(|c| c == '.') && part.chars().all(is_plain)
    })
}

#[cfg(test)]
mod tests {
    use super::is_path;

    #[test]
    fn paths_lead_down() {
        for good in ["trixie", "trixie/updates", "main/taken-over.gz", "a.b~c+d_e"] {
            assert!(is_path(good), "{good}");
        }
        for bad in
            ["", "/", "a/", "/a", "a//b", "..", "a/../b", "./a", "a b", "a%2f", "a?b", "\u{e4}"]
        {
            assert!(!is_path(bad), "{bad}");
        }
    }
}
