//! What the program understands stands in its man pages, and the files that are shipped are
//! right.

use std::collections::BTreeSet;
use std::path::Path;

use apt_quorum::config;
use apt_quorum::sys::secure::Trusted;

/// Public keys that nobody has the private keys of any more.
const KEYS: [&str; 3] = [
    "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
    "MCowBQYDK2VwAyEAxU3687qbNAt9Ld5MhSzGpJyIygbMLg0sRzdMs0p7YQw=",
    "MCowBQYDK2VwAyEAh5sUGno75e7dvk1HQyrRpZw69GHjWI4uAFmMQHxF4dY=",
];

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).unwrap()
}

/// The part of a man page under a heading of the level `macro_name` (`Sh` or `Ss`), up to the
/// next one of the same or a higher level.
fn part(page: &str, macro_name: &str, title: &str) -> String {
    let heading = format!(".{macro_name} {title}");
    let mut lines = page.lines().skip_while(|line| *line != heading);
    assert!(lines.next().is_some(), "there is no {heading}");
    let ends =
        |line: &str| line.starts_with(".Sh ") || (macro_name == "Ss" && line.starts_with(".Ss "));
    lines.take_while(|line| !ends(line)).map(|line| format!("{line}\n")).collect()
}

/// The words that `.It MACRO WORD` introduces, of every pair on its line.
fn items(text: &str, macro_name: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in text.lines().filter_map(|line| line.strip_prefix(".It ")) {
        let words: Vec<&str> = line.split(' ').collect();
        for pair in words.windows(2) {
            if let [name, word] = pair {
                if *name == macro_name {
                    found.insert((*word).to_owned());
                }
            }
        }
    }
    found
}

/// The options of a command as a man page writes them: `-json` for `--json`, `h` for `-h`.
fn options(command: &clap::Command) -> BTreeSet<String> {
    let mut options = BTreeSet::new();
    for argument in command.get_arguments() {
        options.extend(argument.get_long().map(|long| format!("-{long}")));
        options.extend(argument.get_short().map(String::from));
    }
    options
}

fn leaves(command: &clap::Command, name: &str, found: &mut Vec<(String, clap::Command)>) {
    let mut below = command.get_subcommands().filter(|it| it.get_name() != "help").peekable();
    if below.peek().is_none() {
        found.push((name.to_owned(), command.clone()));
    }
    for subcommand in below {
        leaves(subcommand, format!("{name} {}", subcommand.get_name()).trim(), found);
    }
}

#[test]
fn every_command_and_flag_is_in_the_manual_and_no_other() {
    let page = read("man/apt-quorum.1");
    let synopsis = part(&page, "Sh", "SYNOPSIS");
    let commands_part = part(&page, "Sh", "COMMANDS");
    let mut program = apt_quorum::cli::command();
    program.build();
    let everywhere: BTreeSet<String> = ["h", "-help"].map(str::to_owned).into();

    let mut commands = Vec::new();
    leaves(&program, "", &mut commands);
    for (name, command) in &commands {
        let described = part(&commands_part, "Ss", name);
        let own: BTreeSet<String> = options(command).difference(&everywhere).cloned().collect();
        assert_eq!(own, items(&described, "Fl"), "the options of {name}");

        let line = format!(".Cm {name}");
        let mut short = synopsis.lines().skip_while(|it| *it != line);
        assert!(short.next().is_some(), "{name} is not in the synopsis");
        let short: String = short.take_while(|it| *it != ".Nm").collect();
        for option in own {
            assert!(short.contains(&format!("Fl {option}")), "{option} of {name} in the synopsis");
        }
        for argument in command.get_positionals() {
            let value = argument.get_value_names().unwrap().first().unwrap().to_string();
            assert!(described.contains(&format!(".Ar {value}")), "{value} of {name}");
        }
    }
    let titles: BTreeSet<&str> =
        commands_part.lines().filter_map(|line| line.strip_prefix(".Ss ")).collect();
    let mut names: BTreeSet<&str> = commands.iter().map(|(name, _)| name.as_str()).collect();
    names.insert("help");
    assert_eq!(titles, names);

    let global = items(&part(&page, "Sh", "OPTIONS"), "Fl");
    assert_eq!(global, options(&program));
}

/// What stands behind a list that does not end is shown as a part of it, if at all.
#[test]
fn every_list_in_the_manual_ends_under_its_heading() {
    let mut pages = 0;
    for entry in std::fs::read_dir(repository().join("man")).unwrap() {
        let path = entry.unwrap().path();
        let mut open = 0;
        for (number, line) in std::fs::read_to_string(&path).unwrap().lines().enumerate() {
            match line.split(' ').next().unwrap_or_default() {
                ".Bl" => open += 1,
                ".El" => open -= 1,
                ".Sh" | ".Ss" => assert_eq!(open, 0, "{}:{}", path.display(), number + 1),
                _ => {}
            }
        }
        assert_eq!(open, 0, "{}", path.display());
        pages += 1;
    }
    assert_eq!(pages, 4);
}

#[test]
fn every_exit_code_is_in_the_manual() {
    let page = read("man/apt-quorum.1");
    let codes = part(&page, "Sh", "EXIT STATUS");
    let codes: Vec<&str> = codes.lines().filter_map(|line| line.strip_prefix(".It ")).collect();
    assert_eq!(codes, ["0", "1", "2", "3"]);
}

/// A configuration with a key in each table that nothing knows.
fn write_odd_configuration(directory: &Path) {
    let odd = "nobody-knows-this-key = 1\n";
    std::fs::create_dir(directory.join("rebuilders.d")).unwrap();
    std::fs::create_dir(directory.join("exceptions.d")).unwrap();
    for (file, tables) in [
        ("policy.toml", &["", "[[group]]", "[[rule]]", "[network]"][..]),
        ("rebuilders.d/a.toml", &["", "[[key]]", "[[endpoint]]", "[[statement]]"]),
        ("exceptions.d/a.toml", &["", "[[exception]]"]),
    ] {
        let text: String = tables.iter().map(|table| format!("{table}\n{odd}")).collect();
        std::fs::write(directory.join(file), text).unwrap();
    }
}

#[test]
fn every_key_of_the_configuration_is_in_the_manual_and_no_other() {
    let page = read("man/apt-quorum.toml.5");
    let section = |title| items(&part(&page, "Sh", title), "Ic");
    let with_conditions =
        |title| section(title).union(&section("CONDITIONS")).cloned().collect::<BTreeSet<_>>();
    let documented = [
        section("POLICY"),
        section("GROUPS"),
        with_conditions("RULES"),
        section("NETWORK"),
        section("REBUILDERS"),
        section("KEYS"),
        section("ENDPOINTS"),
        section("STATEMENTS"),
        ["exception".to_owned()].into(),
        with_conditions("EXCEPTIONS"),
    ];

    let directory = tempfile::tempdir().unwrap();
    write_odd_configuration(directory.path());
    let problems = config::load(directory.path(), Trusted::now()).err().unwrap();
    // What is allowed is told by the reader itself.
    let mut understood: Vec<BTreeSet<String>> = problems
        .all()
        .iter()
        .map(ToString::to_string)
        .filter(|text| text.contains("unknown key"))
        .filter_map(|text| Some(text.split_once("allowed here: ")?.1.trim().to_owned()))
        .map(|keys| keys.split(", ").map(str::to_owned).collect())
        .collect();
    let mut documented = documented.to_vec();
    understood.sort();
    documented.sort();
    assert_eq!(understood, documented);
}

#[test]
fn every_item_of_apts_configuration_is_in_the_manual() {
    let page = read("man/apt-quorum-method.8");
    let items = items(&part(&page, "Sh", "CONFIGURATION OF APT"), "Ic");
    for item in ["Config", "Cache", "State", "Rebuilders", "Sandbox"] {
        let item = &format!("APT::Quorum::{item}");
        assert!(items.contains(item), "{item}");
    }
}

#[test]
fn what_is_shipped_is_right() {
    let directory = tempfile::tempdir().unwrap();
    let copy = |from: &str, to: &str| {
        let to = directory.path().join(to);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(repository().join(from), to).unwrap();
    };
    copy("apt-conf/apt-quorum/policy.toml", "policy.toml");
    let shipped = config::load(directory.path(), Trusted::now()).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(shipped.policy.mode(), apt_quorum::policy::Mode::Warn);
    assert!(shipped.policy.rebuilders().is_empty());

    // The examples, and every setting that is commented out, as somebody would use them.
    copy("apt-conf/examples/rebuilder.toml", "rebuilders.d/example.toml");
    copy("apt-conf/examples/exception.toml", "exceptions.d/example.toml");
    let write = |file: &str, text: &str| {
        std::fs::write(directory.path().join(file), text).unwrap();
    };
    let pem = |key: &str| format!("-----BEGIN PUBLIC KEY-----\n{key}\n-----END PUBLIC KEY-----\n");
    write("rebuilders.d/example.pem", &pem(KEYS[0]));
    for (name, key) in [("qubes", KEYS[1]), ("third", KEYS[2])] {
        let text = format!("name = \"{name}\"\n[[key]]\ntype = \"ed25519\"\npublic = \"\"\"\n");
        write(&format!("rebuilders.d/{name}.toml"), &format!("{text}{}\"\"\"\n", pem(key)));
    }
    let used = |line: &str| match line.strip_prefix('#') {
        // A comment for people has a space there.
        Some(setting) if !setting.is_empty() && !setting.starts_with(' ') => setting.to_owned(),
        _ => line.replace("mode = \"warn\"", "mode = \"enforce\""),
    };
    let policy: Vec<String> = read("apt-conf/apt-quorum/policy.toml").lines().map(used).collect();
    write("policy.toml", &policy.join("\n"));
    let used = config::load(directory.path(), Trusted::now()).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(used.policy.mode(), apt_quorum::policy::Mode::Enforce);
    assert_eq!(used.policy.rules().len(), 2);
    assert_eq!(used.policy.exceptions().len(), 2);
}

#[test]
fn the_changelogs_and_cargo_agree_on_the_version() {
    let version = env!("CARGO_PKG_VERSION");
    let debian = read("debian/changelog");
    let first = debian.lines().next().unwrap();
    assert!(first.starts_with(&format!("apt-quorum ({version})")), "{first}");
    let changes = read("CHANGELOG.md");
    let newest = changes.lines().find(|line| line.starts_with("## [")).unwrap();
    let newest = newest.trim_start_matches("## [").split(']').next().unwrap();
    assert!(newest == version || newest == "Unreleased", "{newest}");
}
