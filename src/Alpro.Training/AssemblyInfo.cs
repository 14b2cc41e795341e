using System.Runtime.CompilerServices;

[assembly: InternalsVisibleTo("Alpro.Training.Tests")]
[assembly: InternalsVisibleTo("Alpro.Actors.Tests")]
[assembly: InternalsVisibleTo("Alpro.Benchmarks")]
