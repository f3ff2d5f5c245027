//! No circle of imports: a module of the core is read without the modules that are built on it.
//!
//! The arrows are read from the sources: every `use` and every path that begins with `crate::` or `super::`, followed
//! through the re-exports to the file that defines the name.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// A module is the path to it: `["vault", "keyring"]`; the crate's root is empty.
type Module = Vec<String>;

/// The code alone: without comments, texts and the modules of unit tests.
fn code_of(source: &str) -> String {
    let lines = source.lines().map(|line| line.find("//").map_or(line, |at| &line[..at]));
    let text = lines.collect::<Vec<_>>().join("\n");
    text.split("#[cfg(test)]\nmod tests").next().unwrap().to_owned()
}

fn read_modules(directory: &Path, module: &Module, modules: &mut BTreeMap<Module, String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            if name != "python" {
                read_modules(&path, &[module.clone(), vec![name]].concat(), modules);
            }
        } else {
            let is_root = name == "mod" || name == "lib";
            let module = if is_root { module.clone() } else { [module.clone(), vec![name]].concat() };
            modules.insert(module, code_of(&fs::read_to_string(path).unwrap()));
        }
    }
}

/// `a::{b, c::{self, d as e}}` as `a::b`, `a::c`, `a::c::d`.
fn spread(tree: &str, before: &[String], paths: &mut Vec<Module>) {
    let tree = tree.trim();
    if let Some((head, inner)) = tree.split_once('{') {
        let mut path = before.to_vec();
        path.extend(
            head.split("::").filter(|name| !name.trim().is_empty()).map(|name| name.trim().to_owned()),
        );
        let inner = inner.strip_suffix('}').expect("a tree of imports is closed");
        let (mut depth, mut start) = (0, 0);
        for (at, character) in inner.char_indices() {
            match character {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    spread(&inner[start..at], &path, paths);
                    start = at + 1;
                }
                _ => {}
            }
        }
        spread(&inner[start..], &path, paths);
    } else if !tree.is_empty() {
        let name = tree.split(" as ").next().unwrap();
        let names = name.split("::").map(str::trim).filter(|name| *name != "self" && !name.is_empty());
        paths.push([before.to_vec(), names.map(str::to_owned).collect()].concat());
    }
}

/// Every path of a module's code that names something of this crate, as it stands there; with those that it re-exports.
fn paths_of(code: &str) -> (Vec<Module>, Vec<Module>) {
    let (mut used, mut exported) = (Vec::new(), Vec::new());
    for statement in code.split("use ").skip(1) {
        let tree = statement.split(';').next().unwrap();
        spread(tree, &[], &mut used);
    }
    for statement in code.split("pub use ").skip(1).chain(code.split("pub(crate) use ").skip(1)) {
        spread(statement.split(';').next().unwrap(), &[], &mut exported);
    }
    for start in ["crate::", "super::"] {
        for (at, _) in code.match_indices(start) {
            let path: String =
                code[at..].chars().take_while(|c| c.is_alphanumeric() || *c == '_' || *c == ':').collect();
            // What ends so is a tree, which is read above.
            if !path.ends_with("::") {
                used.push(path.split("::").map(str::to_owned).collect());
            }
        }
    }
    (used, exported)
}

/// The module that a path leads to from `here`, through re-exports. `None` where it leads out of the crate.
fn resolve(
    path: &[String],
    here: &Module,
    modules: &BTreeMap<Module, String>,
    exports: &BTreeMap<(Module, String), Module>,
) -> Option<Module> {
    let (mut module, mut rest) = (here.clone(), path);
    match rest.first()?.as_str() {
        "crate" => (module, rest) = (Module::new(), &rest[1..]),
        "super" => {
            while rest.first().is_some_and(|name| name == "super") {
                module.pop();
                rest = &rest[1..];
            }
        }
        name => {
            let child = [here.clone(), vec![name.to_owned()]].concat();
            if !modules.contains_key(&child) {
                return None;
            }
        }
    }
    for name in rest {
        let child = [module.clone(), vec![name.clone()]].concat();
        if modules.contains_key(&child) {
            module = child;
        } else if let Some(target) = exports.get(&(module.clone(), name.clone())) {
            module = target.clone();
        } else {
            break;
        }
    }
    Some(module)
}

fn arrows(modules: &BTreeMap<Module, String>) -> BTreeMap<Module, BTreeSet<Module>> {
    // Deeper modules first, so that a re-export of a re-export is known.
    let mut exports = BTreeMap::new();
    let mut deepest: Vec<&Module> = modules.keys().collect();
    deepest.sort_by_key(|module| std::cmp::Reverse(module.len()));
    for module in deepest {
        for path in paths_of(&modules[module]).1 {
            if let Some(target) = resolve(&path, module, modules, &exports) {
                exports.insert((module.clone(), path.last().unwrap().clone()), target);
            }
        }
    }
    let arrows_of = |module: &Module| {
        let (used, _) = paths_of(&modules[module]);
        let targets = used.iter().filter_map(|path| resolve(path, module, modules, &exports));
        targets.filter(|target| target != module && !target.is_empty()).collect()
    };
    modules.keys().map(|module| (module.clone(), arrows_of(module))).collect()
}

/// A way from a module back to itself, if there is one.
fn circle(arrows: &BTreeMap<Module, BTreeSet<Module>>) -> Option<Vec<String>> {
    fn walk(
        module: &Module,
        way: &mut Vec<Module>,
        done: &mut BTreeSet<Module>,
        arrows: &BTreeMap<Module, BTreeSet<Module>>,
    ) -> bool {
        let comes_back = way.contains(module);
        way.push(module.clone());
        if comes_back {
            return true;
        }
        if !done.contains(module) && arrows[module].iter().any(|next| walk(next, way, done, arrows)) {
            return true;
        }
        done.insert(module.clone());
        way.pop();
        false
    }
    let (mut way, mut done) = (Vec::new(), BTreeSet::new());
    arrows
        .keys()
        .any(|module| walk(module, &mut way, &mut done, arrows))
        .then(|| way.iter().map(|module| module.join("::")).collect())
}

fn core() -> BTreeMap<Module, String> {
    let mut modules = BTreeMap::new();
    read_modules(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &Module::new(), &mut modules);
    modules
}

#[test]
fn no_module_of_the_core_imports_what_imports_it() {
    let arrows = arrows(&core());
    let leads = |from: &str, to: &str| {
        let path = |text: &str| text.split("::").map(str::to_owned).collect::<Module>();
        arrows[&path(from)].contains(&path(to))
    };
    // Arrows that are there, by each kind of import.
    assert!(leads("totp", "hotp") && leads("vault::sealed", "vault::owner") && leads("algorithm", "lanes"));
    assert!(leads("hotp", "error") && leads("recovery", "vault::keyring"));
    assert_eq!(circle(&arrows), None);
}

#[test]
fn a_circle_that_is_planted_is_found() {
    for (module, import) in [
        ("hotp", "use crate::totp;"),
        ("wipe", "use crate::{Error, vault::{self, Keyring}};"),
        ("error", "fn planted() { crate::secret::decoded_len(b\"\"); }"),
        ("vault::owner", "use super::Keyring;"),
    ] {
        let mut modules = core();
        let name: Module = module.split("::").map(str::to_owned).collect();
        modules.get_mut(&name).unwrap().push_str(import);
        let found = circle(&arrows(&modules));
        assert!(found.is_some_and(|way| way.contains(&module.to_owned())), "{module}: {import}");
    }
}
