//! No address in a document leads nowhere: links and their anchors, files that are named, and the index of
//! all documents.
#![allow(clippy::expect_used, clippy::panic, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

/// The directories whose files documents name from the root of the repository.
const NAMED: &[&str] = &[
    ".github/",
    "apt-conf/",
    "benches/",
    "builder/",
    "completions/",
    "crates/",
    "debian/",
    "demo/",
    "docs/",
    "fuzz/",
    "man/",
    "scripts/",
    "src/",
    "testbed/",
    "tests/",
];

/// Files of past versions are named in it.
const OF_THE_PAST: &str = "CHANGELOG.md";

/// A document without its fenced blocks of code.
struct Page {
    path: PathBuf,
    /// Each line with its number
    lines: Vec<(usize, String)>,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns every Markdown file of the repository, except for what was built.
fn pages() -> Vec<Page> {
    let (mut waiting, mut found) = (vec![PathBuf::new()], Vec::new());
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(root().join(&directory)).expect("it can be read") {
            let entry = entry.expect("it can be read");
            let path = directory.join(entry.file_name());
            let kind = entry.file_type().expect("it has a type");
            let built = entry.file_name() == "target" || entry.file_name() == ".git";
            if kind.is_dir() && !built {
                waiting.push(path);
            } else if kind.is_file() && path.extension().is_some_and(|it| it == "md") {
                found.push(page(path));
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn page(path: PathBuf) -> Page {
    let text = fs::read_to_string(root().join(&path)).expect("it can be read");
    let (mut lines, mut code) = (Vec::new(), false);
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            code = !code;
        } else if !code {
            lines.push((number + 1, line.to_owned()));
        }
    }
    Page { path, lines }
}

/// Splits a line at its backquotes: first what is prose, then what is code.
fn split(line: &str) -> (String, Vec<&str>) {
    let (mut prose, mut code) = (String::new(), Vec::new());
    for (index, part) in line.split('`').enumerate() {
        if index % 2 == 0 {
            prose.push_str(part);
        } else {
            code.push(part);
        }
    }
    (prose, code)
}

/// Returns the addresses of a line: `[text](address)` and `[label]: address`.
fn addresses(prose: &str) -> Vec<String> {
    let mut found = Vec::new();
    for rest in prose.split("](").skip(1) {
        found.push(rest.split(')').next().unwrap_or_default().to_owned());
    }
    if let Some((label, address)) = prose.split_once("]: ") {
        if label.starts_with('[') && !address.contains(' ') {
            found.push(address.to_owned());
        }
    }
    found
}

/// Returns the labels that a page defines, and those that `[text][label]` uses.
fn labels(page: &Page) -> (BTreeSet<String>, Vec<(usize, String)>) {
    let (mut defined, mut used) = (BTreeSet::new(), Vec::new());
    for (number, line) in &page.lines {
        let (prose, _) = split(line);
        if let Some((label, _)) = prose.split_once("]: ") {
            defined.extend(label.strip_prefix('[').map(str::to_lowercase));
        }
        for rest in prose.split("][").skip(1) {
            let label = rest.split(']').next().unwrap_or_default();
            used.push((*number, label.to_lowercase()));
        }
    }
    (defined, used)
}

/// Makes the anchor of a heading as forges do: small letters, hyphens for spaces, no other signs.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|it| it.is_alphanumeric() || matches!(it, ' ' | '-' | '_'));
    kept.map(|it| if it == ' ' { '-' } else { it }).collect::<String>().to_lowercase()
}

fn anchors(page: &Page) -> BTreeSet<String> {
    let (mut times, mut found) = (BTreeMap::<String, usize>::new(), BTreeSet::new());
    for (_, line) in &page.lines {
        let text = line.trim_start_matches('#');
        if text.len() == line.len() || !text.starts_with(' ') {
            continue;
        }
        let name = anchor(text.trim());
        let before = times.entry(name.clone()).or_default();
        found.insert(if *before == 0 { name } else { format!("{name}-{before}") });
        *before += 1;
    }
    found
}

/// Resolves an address of a page, without a look at the disk. Returns nothing where it leads out of the
/// repository.
fn resolve(page: &Path, address: &str) -> Option<PathBuf> {
    let mut path = page.parent()?.to_path_buf();
    for part in Path::new(address).components() {
        match part {
            Component::Normal(name) => path.push(name),
            Component::ParentDir if path.pop() => {}
            Component::CurDir => {}
            _ => return None,
        }
    }
    Some(path)
}

#[test]
fn every_link_leads_somewhere() {
    let pages = pages();
    let anchors: BTreeMap<&Path, _> = pages.iter().map(|it| (&*it.path, anchors(it))).collect();
    let (mut seen, mut wrong) = (0, Vec::new());
    for page in &pages {
        let all = page.lines.iter().flat_map(|(number, line)| {
            addresses(&split(line).0).into_iter().map(move |it| (number, it))
        });
        for (number, address) in all.filter(|(_, it)| !it.contains("://")) {
            seen += 1;
            let (file, heading) = address.split_once('#').unwrap_or((&address, ""));
            let target = match file {
                "" => Some(page.path.clone()),
                file => resolve(&page.path, file),
            };
            let target = target.filter(|it| root().join(it).exists());
            let there = match &target {
                Some(target) if !heading.is_empty() => {
                    anchors.get(&**target).is_some_and(|it| it.contains(heading))
                }
                target => target.is_some(),
            };
            if !there {
                wrong.push(format!("{}:{number}: {address}", page.path.display()));
            }
        }
        let (defined, used) = labels(page);
        for (number, label) in used.into_iter().filter(|(_, it)| !defined.contains(it)) {
            wrong.push(format!("{}:{number}: [{label}] has no address", page.path.display()));
        }
    }
    assert!(seen > 100, "only {seen} links were looked at");
    assert!(wrong.is_empty(), "these lead nowhere:\n{}", wrong.join("\n"));
}

#[test]
fn every_file_that_a_document_names_is_there() {
    let (mut seen, mut wrong) = (0, Vec::new());
    for page in pages().iter().filter(|it| it.path != Path::new(OF_THE_PAST)) {
        for (number, line) in &page.lines {
            for name in split(line).1 {
                let plain = |it: char| it.is_ascii_alphanumeric() || "/._-".contains(it);
                if !NAMED.iter().any(|it| name.starts_with(it)) || !name.chars().all(plain) {
                    continue;
                }
                // A part in capitals is a placeholder: tests/vectors/NAME.
                if name.split('/').any(|it| it.len() > 1 && it == it.to_uppercase()) {
                    continue;
                }
                seen += 1;
                // Some pages name files from their own directory.
                let beside = resolve(&page.path, name).is_some_and(|it| root().join(it).exists());
                if !root().join(name).exists() && !beside {
                    wrong.push(format!("{}:{number}: {name}", page.path.display()));
                }
            }
        }
    }
    assert!(seen > 100, "only {seen} names were looked at");
    assert!(wrong.is_empty(), "these files are not there:\n{}", wrong.join("\n"));
}

/// docs/README.md is the table of contents of the website, too.
#[test]
fn every_document_is_in_the_index() {
    let index = Path::new("docs/README.md");
    let listed: BTreeSet<PathBuf> = page(index.to_path_buf())
        .lines
        .iter()
        .filter(|(_, line)| line.starts_with("- ["))
        .flat_map(|(_, line)| addresses(line))
        .filter_map(|it| resolve(index, &it))
        .collect();
    let manual = fs::read_dir(root().join("man")).expect("it can be read");
    let mut all: Vec<PathBuf> =
        manual.map(|it| Path::new("man").join(it.expect("it can be read").file_name())).collect();
    all.extend(pages().into_iter().map(|it| it.path));
    for path in all {
        // The first page of all, the index, and decisions, which have an index of their own.
        let elsewhere = path == Path::new("README.md")
            || path == index
            || path.starts_with("docs/decisions") && !path.ends_with("README.md")
            || path.starts_with(".github");
        assert!(elsewhere || listed.contains(&path), "docs/README.md lacks {}", path.display());
    }
}

/// The index of decisions names each of them.
#[test]
fn every_decision_is_in_its_index() {
    let index = page("docs/decisions/README.md".into());
    let listed: Vec<String> = index.lines.iter().flat_map(|(_, line)| addresses(line)).collect();
    for page in pages().iter().filter(|it| it.path.starts_with("docs/decisions")) {
        let name = page.path.file_name().and_then(|it| it.to_str()).expect("it has a name");
        let there = name == "README.md" || listed.iter().any(|it| it == name);
        assert!(there, "docs/decisions/README.md lacks {name}");
    }
}
