use super::*;
use std::path::Path;

#[test]
fn the_document_is_the_models() {
    let text = serde_json::to_string_pretty(&openapi(env!("CARGO_PKG_VERSION"))).unwrap() + "\n";
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi-settings.json");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&page, &text).unwrap();
    }
    let written = std::fs::read_to_string(&page).unwrap_or_default();
    assert!(written == text, "docs/openapi-settings.json is not the model's: UPDATE_EXPECT=1 writes it");
}

#[test]
fn every_reference_leads_somewhere() {
    fn look(value: &Value, root: &Value) {
        match value {
            Value::Object(fields) => {
                if let Some(path) = fields.get("$ref").and_then(Value::as_str) {
                    let pointer = path.strip_prefix('#').unwrap();
                    assert!(root.pointer(pointer).is_some(), "{path}");
                }
                fields.values().for_each(|it| look(it, root));
            }
            Value::Array(list) => list.iter().for_each(|it| look(it, root)),
            _ => {}
        }
    }
    let document = openapi("0.1.0");
    look(&document, &document);
    let paths = document["paths"].as_object().unwrap();
    for path in [
        "/virtual_services",
        "/virtual_services/{virtual_services_id}/real_servers/{real_servers_id}",
        "/geo",
        "/hostname",
    ] {
        assert!(paths.contains_key(path), "{path}");
    }
}
