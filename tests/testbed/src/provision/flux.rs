//! The definitions of Flux's kinds, from the modules that publish them.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{ProvisionError, cached, key};

/// A module, and the digest that `go.sum` would hold.
const MODULES: [(&str, &str); 2] = [
    (
        "github.com/fluxcd/kustomize-controller@v1.9.6",
        "h1:XB+G3A0mky0j5uVHZWv4oSlS2RvZBoNIUhstIvY0JKE=",
    ),
    (
        "github.com/fluxcd/source-controller@v1.9.6",
        "h1:nG534/bI6nVpyHra7ONAk6xDB3xPsVT+EOLHZHXPrrc=",
    ),
];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Download {
    dir: PathBuf,
    sum: String,
}

/// A directory with the definitions of Flux's sources and of Kustomization.
pub async fn flux_definitions() -> Result<PathBuf, ProvisionError> {
    let inputs: Vec<_> = MODULES.iter().flat_map(|(module, sum)| [*module, *sum]).collect();
    let key = key("flux-crds", "v1.9.6", &inputs);
    cached(&key, "definitions of Flux v1.9.6", async |dir| {
        for (module, sum) in MODULES {
            let from = download(dir, module, sum).await?.join("config/crd/bases");
            copy(&from, dir)?;
        }
        Ok(())
    })
    .await
}

async fn download(dir: &Path, module: &str, sum: &str) -> Result<PathBuf, ProvisionError> {
    super::go::GO.require().await?;
    let output = tokio::process::Command::new("go")
        .args(["mod", "download", "-json", module])
        .current_dir(dir)
        .env("GOWORK", "off")
        .output()
        .await
        .map_err(ProvisionError::io("run", Path::new("go")))?;
    let unfit = |what: String| ProvisionError::Unfit { what };
    if !output.status.success() {
        let said = [output.stderr, output.stdout].concat();
        return Err(unfit(format!(
            "{module} cannot be downloaded: {}",
            String::from_utf8_lossy(&said)
        )));
    }
    let got: Download = serde_json::from_slice(&output.stdout)
        .map_err(|error| unfit(format!("go mod download {module} did not answer with JSON: {error}")))?;
    if got.sum != sum {
        return Err(unfit(format!("{module} has the digest {}, wanted {sum}", got.sum)));
    }
    Ok(got.dir)
}

fn copy(from: &Path, to: &Path) -> Result<(), ProvisionError> {
    for entry in std::fs::read_dir(from).map_err(ProvisionError::io("read", from))? {
        let file = entry.map_err(ProvisionError::io("read", from))?.path();
        let text = std::fs::read(&file).map_err(ProvisionError::io("read", &file))?;
        super::write(&to.join(file.file_name().unwrap_or_default()), text)?;
    }
    Ok(())
}
