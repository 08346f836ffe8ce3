//! Writes the documents that are generated from the catalogue into `schemas/generated/`:
//! `cargo run -p forebay-schemas --example generate`.

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("generated");
    for (name, text) in forebay_schemas::document::schema_files() {
        std::fs::write(folder.join(name), text)?;
    }
    let asyncapi = serde_yaml_ng::to_string(&forebay_schemas::document::asyncapi())?;
    std::fs::write(folder.join("asyncapi.yaml"), asyncapi)?;
    Ok(())
}
