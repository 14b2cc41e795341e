using Alpro.Actors;
using Alpro.Actors.Commands;

return await CommandLine.RunAsync(AlproCommand.Create(), args);
