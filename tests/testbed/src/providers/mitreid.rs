//! MITREid Connect, from Maven Central, on Tomcat, over https: WebFinger, registration and RFC 7592 in one.
//!
//! Its issuer ends with a slash. A refused token is repeated in the description of the error.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::{ProviderError, http, json};
use crate::process::{Process, Scratch, Spec, free_port};
use crate::provision::maven::{JAVA, Pinned, pinned};
use crate::provision::{ProvisionError, write};
use crate::tls::Authority;

const TOMCAT: &str = "tomcat/apache-tomcat-9.0.98";
const LIBRARIES: &str = "war/WEB-INF/lib";
/// The server, its container, and what Java had of its own when the server was written.
const FILES: [Pinned; 6] = [
    Pinned {
        artifact: "org.mitre:openid-connect-server-webapp:1.3.4:war",
        sha256: "0866e3b32b6b539f3c17ace1bfddd8d0be1f7ebd61968f696cf9ce8faeea8fbb",
        into: "war",
        unpack: true,
    },
    Pinned {
        artifact: "org.apache.tomcat:tomcat:9.0.98:zip",
        sha256: "741aeddc70c254412981bbbf75cf69050d6b9f378154aaa50119be305f085a6f",
        into: "tomcat",
        unpack: true,
    },
    library(
        "javax.xml.bind:jaxb-api:2.3.1:jar",
        "88b955a0df57880a26a74708bc34f74dcaf8ebf4e78843a28b50eae945732b06",
    ),
    library(
        "com.sun.xml.bind:jaxb-core:2.3.0.1:jar",
        "d2ecba63615f317a11fb55c6468f6a9480f6411c10951d9881bafd9a9a8d0467",
    ),
    library(
        "com.sun.xml.bind:jaxb-impl:2.3.1:jar",
        "e6c9e0f1830fd5f7c30c25ecf5e2046c5668b06d304add89d2f027d5072297d0",
    ),
    library(
        "com.sun.activation:javax.activation:1.2.0:jar",
        "993302b16cd7056f21e779cc577d175a810bb4900ef73cd8fbf2b50f928ba9ce",
    ),
];

const fn library(artifact: &'static str, sha256: &'static str) -> Pinned {
    Pinned {
        artifact,
        sha256,
        into: LIBRARIES,
        unpack: false,
    }
}

/// An administrator that it comes with.
const ADMIN: (&str, &str) = ("admin", "password");
/// A client that it comes with.
const OWN: &str = "client";
/// The interface for administrators wants a token; with this change of its configuration, a password serves, too.
const API: &str = "<security:http pattern=\"/#{T(org.mitre.openid.connect.web.RootController).API_URL}/**\"";

/// Time to become ready on a busy machine.
const READY_LIMIT: Duration = Duration::from_mins(2);

/// A running MITREid Connect.
#[derive(Debug)]
pub struct Mitreid {
    url: String,
    ca: String,
    http: reqwest::Client,
    process: Process,
    _scratch: Scratch,
}

impl Mitreid {
    /// Its release.
    pub const VERSION: &str = "1.3.4";

    /// Starts one; about five seconds once it is installed.
    pub async fn start() -> Result<Self, ProviderError> {
        JAVA.require_major(17).await?;
        let home = pinned("mitreid-connect", Self::VERSION, &FILES).await?;
        let scratch = Scratch::new("mitreid-connect")?;
        let base = scratch.path();
        let copy = Spec::new("copying MITREid Connect", "cp")
            .arg("-r")
            .arg(home.join("war"));
        copy.arg(base.join("war")).run(Duration::from_mins(1)).await?;
        let authority = Authority::new("MITREid Connect")?;
        let identity = authority.issue(&["localhost", "127.0.0.1"])?;
        write(&base.join("tls.crt"), &identity.certificate_pem)?;
        write(&base.join("tls.key"), &identity.key_pem)?;
        let port = free_port()?;
        let url = format!("https://localhost:{port}");
        configure(base, port, &url)?;
        let tomcat = home.join(TOMCAT);
        write(&base.join("temp/empty"), "")?;
        let servlets = read(&tomcat.join("conf/web.xml"))?;
        write(&base.join("conf/web.xml"), servlets)?;
        let jar = |name: &str| tomcat.join("bin").join(name).display().to_string();
        let process = Spec::new("mitreid-connect", "java")
            .args(["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
            .args(["--add-opens", "java.base/java.lang=ALL-UNNAMED"])
            .arg("-cp")
            .arg(format!("{}:{}", jar("bootstrap.jar"), jar("tomcat-juli.jar")))
            .arg(format!("-Dcatalina.home={}", tomcat.display()))
            .arg(format!("-Dcatalina.base={}", base.display()))
            .arg(format!("-Djava.io.tmpdir={}", base.join("temp").display()))
            .args(["org.apache.catalina.startup.Bootstrap", "start"])
            .dir(base)
            .log(base.join("mitreid-connect.log"))
            .grace(Duration::from_secs(2))
            .spawn()?;
        let server = Self {
            url,
            ca: authority.pem().to_owned(),
            http: http(Some(authority.pem())),
            process,
            _scratch: scratch,
        };
        let ready = async || server.clients().await;
        server.process.ready(READY_LIMIT, ready).await?;
        Ok(server)
    }

    /// Issuer identifier: with a slash at its end.
    #[must_use]
    pub fn issuer(&self) -> String {
        format!("{}/", self.url)
    }

    /// `host:port`, for WebFinger.
    #[must_use]
    pub fn host(&self) -> &str {
        self.url.split("//").nth(1).unwrap_or_default()
    }

    /// The authority that its certificate comes from.
    #[must_use]
    pub fn ca(&self) -> &str {
        &self.ca
    }

    /// Every registered client by its identifier, with the members of RFC 7591 that it knows under other names.
    pub async fn clients(&self) -> Result<BTreeMap<String, Value>, ProviderError> {
        let url = format!("{}/api/clients", self.url);
        let request = self.http.get(&url).basic_auth(ADMIN.0, Some(ADMIN.1));
        let found = json(request.header("accept", "application/json"), &url).await?;
        let clients = found.as_array().cloned().unwrap_or_default().into_iter();
        let named = clients.map(|mut client| {
            client["redirect_uris"] = client["redirectUris"].clone();
            client["grant_types"] = client["grantTypes"].clone();
            (client["clientId"].as_str().unwrap_or_default().to_owned(), client)
        });
        Ok(named.filter(|(id, _)| id != OWN).collect())
    }

    /// An access token by the client credentials grant.
    pub async fn token(&self, client_id: &str, client_secret: &str) -> Result<String, ProviderError> {
        super::token(&self.http, &format!("{}/token", self.url), client_id, client_secret).await
    }
}

fn read(path: &Path) -> Result<String, ProvisionError> {
    std::fs::read_to_string(path).map_err(|source| ProvisionError::Io {
        what: "read",
        path: path.to_owned(),
        source,
    })
}

/// Writes the settings of the container, and those of the server that are about its address and its administrators.
fn configure(base: &Path, port: u16, url: &str) -> Result<(), ProvisionError> {
    let path = |name: &str| base.join(name).display().to_string();
    let container = format!(
        "<Server port=\"-1\"><Service name=\"Catalina\">\n\
         <Connector address=\"127.0.0.1\" port=\"{port}\" SSLEnabled=\"true\" scheme=\"https\" secure=\"true\">\n\
         <SSLHostConfig><Certificate certificateFile=\"{}\" certificateKeyFile=\"{}\" type=\"EC\"/></SSLHostConfig>\n\
         </Connector>\n\
         <Engine name=\"Catalina\" defaultHost=\"localhost\"><Host name=\"localhost\" appBase=\"none\" autoDeploy=\"false\">\n\
         <Context path=\"\" docBase=\"{}\"/></Host></Engine></Service></Server>\n",
        path("tls.crt"),
        path("tls.key"),
        path("war")
    );
    write(&base.join("conf/server.xml"), container)?;
    let settings = base.join("war/WEB-INF");
    let changes = [
        (
            "server-config.xml",
            "http://localhost:8080/openid-connect-server-webapp/",
            format!("{url}/"),
        ),
        (
            "application-context.xml",
            API,
            format!("{API} authentication-manager-ref=\"authenticationManager\""),
        ),
        (
            "application-context.xml",
            "create-session=\"never\">",
            "create-session=\"never\"><security:http-basic />".to_owned(),
        ),
    ];
    for (file, from, to) in changes {
        let file = settings.join(file);
        let text = read(&file)?;
        if text.matches(from).count() != 1 {
            return Err(ProvisionError::Unfit {
                what: format!("{} does not have {from:?} once", file.display()),
            });
        }
        write(&file, text.replace(from, &to))?;
    }
    Ok(())
}
