//! The commands of the README work: each is run here, or is known to be run elsewhere.

use std::{fs, path::Path, process::Command};

use crate::{
    demo,
    support::{self, cli, crds},
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Every command in the README's `sh` blocks, continued lines joined and comments left out.
fn commands() -> Vec<String> {
    let readme = fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap().replace("\\\n", " ");
    let blocks = readme.split("```sh\n").skip(1).map(|block| block.split_once("```").unwrap().0);
    let lines = blocks.flat_map(str::lines).map(|line| line.split(" #").next().unwrap().trim());
    lines.filter(|line| !line.is_empty()).map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// Runs a command of kubectl or helm from the root of the repository, on the cluster of this run.
async fn shell(command: &str) {
    let kubeconfig = &support::cluster().await.kubeconfig_path;
    let tool = |name: &str, path: std::path::PathBuf| format!("{name}() {{ '{}' \"$@\"; }}\n", path.display());
    let script = tool("kubectl", cli::kubectl()) + &tool("helm", cli::helm()) + command;
    let output = Command::new("sh").args(["-ec", &script]).current_dir(ROOT).env("KUBECONFIG", kubeconfig).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{command}\n{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn every_command_of_the_readme_works() {
    crds::install().await;
    let support::Namespace { name: namespace, .. } = support::namespace().await;
    let mut kinds = std::collections::BTreeSet::new();
    for command in commands() {
        // A namespace of the test's own in place of the reader's.
        let ours = command.replace("-n telephony", &format!("-n {namespace}"));
        let words: Vec<&str> = command.split(' ').collect();
        match &words[..] {
            ["cargo", "run", "--release", "--", "demo"] => drop(demo::told(&demo::demo(&[]).await)),
            // This very run; the gate runs the same.
            ["cargo", "test"] => {
                let gate = fs::read_to_string(Path::new(ROOT).join(".ci/run")).unwrap();
                assert!(gate.lines().any(|line| line.starts_with("cargo test 2>&1")), "the gate runs `cargo test`");
            }
            // Far too long for here, where the same tests run with less to do.
            [states, schedules, "cargo", "test", "--release", "--test", "all", "plan::model", ..] => {
                let model = fs::read_to_string(Path::new(ROOT).join("tests/plan/model.rs")).unwrap();
                for setting in [states, schedules] {
                    let (name, figure) = setting.split_once('=').unwrap();
                    assert!(model.contains(&format!("env::var(\"{name}\")")), "{name} sets nothing");
                    figure.parse::<u64>().unwrap();
                }
            }
            ["helm", "install", ..] => shell(&format!("{command} --dry-run=client")).await,
            ["kubectl", "create", "namespace", _] => shell(&format!("{command} --dry-run=server")).await,
            ["kubectl", ..] if ours != command => shell(&ours).await,
            _ => panic!("nothing runs this command of the README: {command}"),
        }
        kinds.insert(words.iter().find(|word| !word.contains('=')).unwrap().to_string());
    }
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), ["cargo", "helm", "kubectl"]);
    shell(&format!("kubectl delete -n {namespace} -f examples/ --wait=false")).await;
}

#[tokio::test]
async fn every_manifest_of_the_readme_is_what_the_api_server_takes() {
    let readme = fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
    let blocks = readme.split("```yaml\n").skip(1).map(|block| block.split_once("```").unwrap().0);
    let manifests: Vec<serde_json::Value> = blocks.map(|block| serde_yaml_ng::from_str(block).unwrap()).collect();
    assert!(manifests.iter().any(|manifest| !manifest["spec"]["purchase"].is_null()), "it shows how to buy");
    demo::are_taken(&manifests).await;
}

#[test]
fn the_first_screen_shows_the_two_commands() {
    assert_eq!(commands()[..2], ["cargo run --release -- demo", "cargo test"]);
    let readme = fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
    let screen: String = readme.lines().take(30).collect::<Vec<_>>().join("\n");
    assert!(screen.contains("cargo run --release -- demo") && screen.contains("cargo test"), "{screen}");
}
