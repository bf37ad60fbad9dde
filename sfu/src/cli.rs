//! The program around the server: settings, signals, exit codes.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

use crate::auth::{Apps, UnknownApp};
use crate::config::{
    self, ConfigErrors, LoadError, Loaded, MediaAddresses, Settings, Task, TokenRequest,
};
use crate::http::server_config;
use crate::server::{EdgeServer, Server, StartError, StepReport};
use crate::telemetry;
use crate::webhook::echo::{self, EchoOptions};
use crate::words::check_words;

/// Runs `weblive` with this process's arguments and environment until a signal.
///
/// Exit codes: 0 after a signal or a clean check, 1 when the server cannot start or
/// does not end in time, 2 for wrong settings.
pub fn run() -> ExitCode {
    let environment = std::env::vars_os().map(|(name, value)| (lossy(&name), lossy(&value)));
    let loaded = match config::load(std::env::args_os(), environment, read) {
        Ok(loaded) => loaded,
        Err(LoadError::Usage(usage)) => {
            // Help and version are errors to clap, with exit code 0.
            let _ = usage.print();
            return ExitCode::from(u8::try_from(usage.exit_code()).unwrap_or(WRONG_SETTINGS));
        }
        Err(LoadError::Wrong(errors)) => return refuse(&errors),
    };
    match &loaded.task {
        Task::Serve | Task::Edge => serve(&loaded),
        Task::Check => check(&loaded.settings),
        Task::UserSig(request) => print_token(&loaded.settings, request),
        Task::WebhookEcho(listen, options) => webhook_echo(*listen, options.clone()),
    }
}

fn serve(loaded: &Loaded) -> ExitCode {
    let settings = &loaded.settings;
    telemetry::start(&settings.log);
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let runtime = match Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("cannot start threads: {error}")),
    };
    let code = runtime.block_on(serve_until_signal(&loaded.task, settings));
    leave(runtime);
    code
}

async fn serve_until_signal(task: &Task, settings: &Settings) -> ExitCode {
    let signals = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    );
    let (Ok(mut terminate), Ok(mut interrupt)) = signals else {
        return fail("cannot listen for signals");
    };
    let server = match Running::start(task, settings).await {
        Ok(server) => server,
        Err(error) => return fail(&error.to_string()),
    };
    // Whoever started the program may have closed our standard output.
    let _ = writeln!(io::stdout(), "weblive: {}", server.greeting());
    let name = tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    };
    tracing::info!(signal = name, "shutting down");
    watch_the_exit(settings.shutdown.deadline + GRACE);
    tokio::select! {
        _ = server.shut_down() => {
            tracing::info!("shut down");
            ExitCode::SUCCESS
        }
        _ = async { tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} } } => {
            tracing::warn!("a second signal: the shutdown is cut short");
            ExitCode::FAILURE
        }
    }
}

/// What runs until a signal.
enum Running {
    Whole(Box<Server>),
    Edge(Box<EdgeServer>),
}

impl Running {
    async fn start(task: &Task, settings: &Settings) -> Result<Self, StartError> {
        Ok(match task {
            Task::Edge => Self::Edge(Box::new(EdgeServer::start(settings).await?)),
            _ => Self::Whole(Box::new(Server::start(settings).await?)),
        })
    }

    fn greeting(&self) -> String {
        match self {
            Self::Whole(server) => format!("demo page at {}", server.page()),
            Self::Edge(server) => format!("edge at {}", server.address()),
        }
    }

    async fn shut_down(self) -> Vec<StepReport> {
        match self {
            Self::Whole(server) => server.shut_down().await,
            Self::Edge(server) => server.shut_down().await,
        }
    }
}

/// Ends the process at the deadline even if every thread of the runtime hangs.
fn watch_the_exit(deadline: Duration) {
    let watchdog = std::thread::Builder::new()
        .name("shutdown".to_owned())
        .spawn(move || {
            std::thread::sleep(deadline);
            // The logger may be what hangs.
            let _ = writeln!(io::stderr(), "weblive: the shutdown hangs: leaving");
            std::process::exit(1);
        });
    if let Err(error) = watchdog {
        tracing::warn!(%error, "nothing watches over the shutdown");
    }
}

/// Drops the runtime without waiting for blocking work, which ends with the process.
fn leave(runtime: Runtime) {
    runtime.shutdown_background();
}

/// Says whether the settings are right, the files they name included.
fn check(settings: &Settings) -> ExitCode {
    let interfaces = config::interface_addresses().unwrap_or_default();
    if let Err(error) = MediaAddresses::plan(settings, &interfaces) {
        return refuse(&error.into());
    }
    if let Err(error) = server_config(&settings.tls, &[]) {
        let _ = writeln!(io::stderr(), "weblive: {error}");
        return ExitCode::from(WRONG_SETTINGS);
    }
    if let Err(errors) = check_words(&settings.chat) {
        for error in &errors.0 {
            let _ = writeln!(io::stderr(), "weblive: {error}");
        }
        return ExitCode::from(WRONG_SETTINGS);
    }
    let _ = writeln!(io::stdout(), "OK");
    ExitCode::SUCCESS
}

fn print_token(settings: &Settings, request: &TokenRequest) -> ExitCode {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.unwrap_or_default().as_secs();
    match tokens(&Apps::new(settings.apps.clone()), request, now) {
        Ok(text) => {
            let _ = writeln!(io::stdout(), "{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(io::stderr(), "weblive: {error}");
            ExitCode::from(WRONG_SETTINGS)
        }
    }
}

/// The UserSig alone, so that a script can use it as it is; with a room two labelled lines.
fn tokens(apps: &Apps, request: &TokenRequest, now: u64) -> Result<String, UnknownApp> {
    let TokenRequest {
        app,
        user,
        room,
        privileges,
        expires_in,
    } = request;
    let user_sig = apps.sign_user_sig(now, *app, user, *expires_in)?;
    let Some(room) = room else {
        return Ok(user_sig);
    };
    let map_key = apps.sign_private_map_key(now, *app, user, room, *privileges, *expires_in)?;
    Ok(format!("UserSig: {user_sig}\nPrivateMapKey: {map_key}"))
}

/// Prints notices until the process is ended.
fn webhook_echo(listen: SocketAddr, options: EchoOptions) -> ExitCode {
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("cannot start: {error}")),
    };
    match runtime.block_on(echo::run(listen, options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&format!("cannot listen on {listen}: {error}")),
    }
}

fn refuse(errors: &ConfigErrors) -> ExitCode {
    for error in &errors.0 {
        let _ = writeln!(io::stderr(), "weblive: {error}");
    }
    ExitCode::from(WRONG_SETTINGS)
}

fn fail(reason: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "weblive: {reason}");
    ExitCode::FAILURE
}

/// Reads a settings file; one above a megabyte is something else.
fn read(path: &Path) -> io::Result<String> {
    if std::fs::metadata(path)?.len() > 1 << 20 {
        return Err(io::Error::other("it is larger than 1 MiB"));
    }
    std::fs::read_to_string(path)
}

fn lossy(text: &std::ffi::OsStr) -> String {
    text.to_string_lossy().into_owned()
}

const WRONG_SETTINGS: u8 = 2;

/// Between the end of the steps and the end of patience.
const GRACE: Duration = Duration::from_millis(500);
