using Alpro.Cli;
using Alpro.Cli.Commands;

return await CommandLine.RunAsync(AlproCommand.Create(), args);
