using System.CommandLine;
using System.CommandLine.Parsing;
using Alpro.Data;
using Alpro.Training.Configuration;

namespace Alpro.Cli;

/// <summary>
/// What is wrong with the words of a command, for a person: the option, what was expected of it, the nearest spelling of a name.
/// </summary>
internal static class ParseProblems
{
    private const string CannotParse = "Cannot parse argument '";

    /// <summary>All problems, once each. Where a name is not known, the first such alone: the others follow from it.</summary>
    public static IEnumerable<string> Of(ParseResult parsed) =>
        parsed.UnmatchedTokens is [var first, ..] ? [Unknown(first, parsed.CommandResult)] : parsed.Errors.Select(Say).Distinct();

    private static string Unknown(string token, CommandResult at)
    {
        bool option = token.StartsWith('-');
        var names = new List<string>();
        if (option)
        {
            for (SymbolResult? level = at; level is not null; level = level.Parent)
                if (level is CommandResult command)
                    names.AddRange(command.Command.Options.Where(candidate => !candidate.Hidden && (level == at || candidate.Recursive))
                        .Select(candidate => candidate.Name));
        }
        else names.AddRange(at.Command.Subcommands.Where(command => !command.Hidden).Select(command => command.Name));
        string what = option ? "option" : names.Count > 0 ? "command" : "argument";
        string advice = Spelling.Nearest(token, names) is { } nearest ? $"; did you mean '{nearest}'?"
            : names.Count > 0 && !option ? $"; there are {string.Join(", ", names)}" : "";
        return $"there is no {what} '{token}'{advice}";
    }

    /// <summary>The parser's words, but for what it says of values that it cannot read: there it names types of the program.</summary>
    private static string Say(ParseError error)
    {
        if (!error.Message.StartsWith(CannotParse, StringComparison.Ordinal)) return error.Message;
        string value = error.Message[CannotParse.Length..].Split('\'', 2)[0];
        (string name, Type type) = error.SymbolResult switch
        {
            OptionResult option => (option.Option.Name, option.Option.ValueType),
            ArgumentResult { Parent: OptionResult option } => (option.Option.Name, option.Option.ValueType),
            ArgumentResult argument => (argument.Argument.Name, argument.Argument.ValueType),
            _ => ("", typeof(string)),
        };
        return $"{name} {value}: expected {ConfigLoader.Expected(type)}";
    }
}
