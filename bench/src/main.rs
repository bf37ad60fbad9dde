//! The load generator `bench`.

use clap::Parser;

fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env()
                .unwrap_or_else(|_| "error,bench=info".into()),
        )
        .init();
    let cli = bench::cli::Cli::parse();
    // Media has its own threads: one here is enough for HTTP.
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?
        .block_on(cli.run(&mut std::io::stdout().lock()))
}
