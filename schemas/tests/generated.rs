//! The generated documents are those of the code.

use std::collections::BTreeSet;
use std::path::Path;

use forebay_schemas::document;

const MEND: &str = "run `cargo run -p forebay-schemas --example generate` and commit what it wrote";

fn generated(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("generated").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}; {MEND}", path.display()))
}

#[test]
fn every_schema_is_checked_in_as_the_code_has_it_and_no_other() {
    let files = document::schema_files();
    for (name, text) in &files {
        assert_eq!(&generated(name), text, "{name} has drifted; {MEND}");
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("generated");
    let there: BTreeSet<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".schema.json"))
        .collect();
    assert_eq!(there, files.into_keys().collect());
}

#[test]
fn the_asyncapi_document_is_checked_in_as_the_code_has_it() {
    let text = serde_yaml_ng::to_string(&document::asyncapi()).unwrap();
    assert_eq!(generated("asyncapi.yaml"), text, "asyncapi.yaml has drifted; {MEND}");
}
