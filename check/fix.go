package check

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// ErrNothingToMend is what WriteFix returns if no change is needed, or none that
// a script can decide on.
var ErrNothingToMend = errors.New("check: there is nothing that a script could mend")

// A Change is one value that is set right. Its key and name are of the tables in
// this package, never of a file that was read.
type Change struct {
	Hive   string // as .NET names it: LocalMachine, Users, CurrentUser
	View   int    // 64 or 32
	Key    string // below the hive, and without WOW6432Node
	Name   string
	Kind   Kind
	Action Action
	Number uint32 // what is set or added; 0 for a String
	Absent uint32 // what Or sets where there is no value
}

// A Kind is the type of a value, as .NET names it.
type Kind string

const (
	DWord  Kind = "DWord"
	String Kind = "String"
)

// An Action says how a value is set right.
type Action string

const (
	Set    Action = "Set"    // to Number
	Or     Action = "Or"     // the bits of Number are added to what is there
	Create Action = "Create" // as an empty text, if there is none
)

var hives = map[string]string{"HKLM": "LocalMachine", "HKU": "Users", "HKCU": "CurrentUser"}

// fixColumns are those of the table in the script.
const fixColumns = "Hive|View|Key|Name|Kind|Action|Number|Absent"

// WriteFix writes a script for PowerShell 5.1 that makes the changes of r: it
// shows them, makes them with -Apply and takes them back with -Undo. It is
// written in ASCII with the line ends of Windows. now is told in its head. It
// returns ErrNothingToMend, having written nothing, if there are none.
func WriteFix(w io.Writer, r *RegistryReport, now time.Time) error {
	if len(r.changes) == 0 {
		return ErrNothingToMend
	}
	var table strings.Builder
	table.WriteString(fixColumns + "\n")
	for _, c := range r.changes {
		for _, field := range []string{c.Hive, c.Key, c.Name, string(c.Kind), string(c.Action)} {
			if i := strings.IndexFunc(field, func(r rune) bool { return r < ' ' || r > '~' || strings.ContainsRune("|'\"`$", r) }); i >= 0 {
				return fmt.Errorf("check: write the script: %q cannot stand in its table", field)
			}
		}
		fmt.Fprintf(&table, "%s|%d|%s|%s|%s|%s|%d|%d\n", c.Hive, c.View, c.Key, c.Name, c.Kind, c.Action, c.Number, c.Absent)
	}
	script := strings.NewReplacer("@TABLE@\n", table.String(), "@TIME@", now.UTC().Format("2006-01-02 15:04")+" UTC", "@COUNT@", strconv.Itoa(len(r.changes))).Replace(fixScript)
	if _, err := io.WriteString(w, strings.ReplaceAll(script, "\n", "\r\n")); err != nil {
		return fmt.Errorf("check: write the script: %w", err)
	}
	return nil
}

// fixScript is the script. What differs is its table, which is data: a line is a
// value. It uses .NET for the registry because the cmdlets of a 32-bit
// PowerShell see one view only.
const fixScript = `# Mends settings of Windows that keep programs from offering TLS 1.2, and the like.
# Made on @TIME@ by "sallyport check --registry FILE --fix FILE.ps1".
#
#   powershell -ExecutionPolicy Bypass -File FILE.ps1           shows what it would do
#   powershell -ExecutionPolicy Bypass -File FILE.ps1 -Apply    does it
#   powershell -ExecutionPolicy Bypass -File FILE.ps1 -Undo     takes it back
#
# -Apply and -Undo need an administrator. A value that is right already is left as
# it is, so that running it twice does no harm. Before the first change the values
# as they were are written to FILE.undo.json beside this script; -Undo reads them.
# A value that somebody has changed since is left alone by -Undo.
#
# Exit codes: 0 all is as it should be, 1 something could not be done, 2 not an
# administrator, or the flags contradict each other, 3 shown only: there is
# something to do.

[CmdletBinding()]
param(
    [switch]$Apply,
    [switch]$Undo
)

Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'

# One line is one value. Set: to Number. Or: the bits of Number are added to what
# is there; Absent is set if there is nothing. Create: an empty text, if there is
# none. View is the registry of 64-bit or of 32-bit programs.
$table = @'
@TABLE@
'@

$recordFile = [IO.Path]::ChangeExtension($PSCommandPath, '.undo.json')

function Test-Administrator {
    $identity = [Security.Principal.WindowsIdentity]::GetCurrent()
    $principal = New-Object -TypeName Security.Principal.WindowsPrincipal -ArgumentList $identity
    return $principal.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)
}

function Open-Base($change) {
    $view = [Microsoft.Win32.RegistryView]::Registry64
    if ($change.View -eq '32') { $view = [Microsoft.Win32.RegistryView]::Registry32 }
    return [Microsoft.Win32.RegistryKey]::OpenBaseKey([Microsoft.Win32.RegistryHive]$change.Hive, $view)
}

# Read-Value returns what is there: whether the key and the value exist, the kind,
# and the data as a list of texts.
function Read-Value($change) {
    $result = @{ KeyExists = $false; Exists = $false; Kind = ''; Data = @() }
    $base = Open-Base $change
    try {
        $key = $base.OpenSubKey($change.Key)
        if ($null -eq $key) { return $result }
        try {
            $result.KeyExists = $true
            if (@($key.GetValueNames()) -notcontains $change.Name) { return $result }
            $result.Exists = $true
            $result.Kind = [string]$key.GetValueKind($change.Name)
            $value = $key.GetValue($change.Name, $null, [Microsoft.Win32.RegistryValueOptions]::DoNotExpandEnvironmentNames)
            switch ($result.Kind) {
                'DWord' { $result.Data = @([string]$value) }
                'QWord' { $result.Data = @([string]$value) }
                'String' { $result.Data = @([string]$value) }
                'ExpandString' { $result.Data = @([string]$value) }
                'MultiString' { $result.Data = @($value) }
                'Binary' { $result.Data = @([Convert]::ToBase64String($value)) }
                default { throw ('its kind is ' + $result.Kind + ', which this script does not touch') }
            }
            return $result
        } finally { $key.Close() }
    } finally { $base.Close() }
}

# Get-Wanted returns the text of what the value should be, or $null if it is as it
# should be already.
function Get-Wanted($change, $now) {
    if ($change.Action -eq 'Create') {
        if ($now.Exists) { return $null }
        return ''
    }
    $number = [int]$change.Number
    $isNumber = $now.Exists -and $now.Kind -eq 'DWord'
    if ($change.Action -eq 'Or') {
        if ($isNumber) { $number = ([int]$now.Data[0]) -bor $number } else { $number = [int]$change.Absent }
    }
    if ($isNumber -and ([int]$now.Data[0]) -eq $number) { return $null }
    return [string]$number
}

function Write-Value($change, $kind, $data) {
    $base = Open-Base $change
    try {
        $key = $base.CreateSubKey($change.Key)
        try {
            $texts = @($data)
            switch ($kind) {
                'DWord' { $key.SetValue($change.Name, [int]$texts[0], [Microsoft.Win32.RegistryValueKind]::DWord) }
                'QWord' { $key.SetValue($change.Name, [long]$texts[0], [Microsoft.Win32.RegistryValueKind]::QWord) }
                'String' { $key.SetValue($change.Name, [string]$texts[0], [Microsoft.Win32.RegistryValueKind]::String) }
                'ExpandString' { $key.SetValue($change.Name, [string]$texts[0], [Microsoft.Win32.RegistryValueKind]::ExpandString) }
                'MultiString' { $key.SetValue($change.Name, [string[]]$texts, [Microsoft.Win32.RegistryValueKind]::MultiString) }
                'Binary' { $key.SetValue($change.Name, [Convert]::FromBase64String([string]$texts[0]), [Microsoft.Win32.RegistryValueKind]::Binary) }
                default { throw ('its kind is ' + $kind + ', which this script does not touch') }
            }
        } finally { $key.Close() }
    } finally { $base.Close() }
}

# Get-NewKeys lists the keys that do not exist yet, the uppermost first.
function Get-NewKeys($change) {
    $new = @()
    $base = Open-Base $change
    try {
        $path = ''
        foreach ($part in ($change.Key -split '\\')) {
            if ($path -eq '') { $path = $part } else { $path = $path + '\' + $part }
            $key = $base.OpenSubKey($path)
            if ($null -eq $key) { $new += $path } else { $key.Close() }
        }
    } finally { $base.Close() }
    return $new
}

# Remove-Value takes a value away, and the keys that were made for it if nothing
# else is in them by now.
function Remove-Value($change, $madeKeys) {
    $base = Open-Base $change
    try {
        $key = $base.OpenSubKey($change.Key, $true)
        if ($null -ne $key) {
            try { $key.DeleteValue($change.Name, $false) } finally { $key.Close() }
        }
        $paths = @($madeKeys | Where-Object { $_ })
        for ($i = $paths.Count - 1; $i -ge 0; $i--) {
            $key = $base.OpenSubKey($paths[$i])
            if ($null -eq $key) { continue }
            $inUse = $key.ValueCount + $key.SubKeyCount
            $key.Close()
            if ($inUse -eq 0) { $base.DeleteSubKey($paths[$i], $false) }
        }
    } finally { $base.Close() }
}

# Join-Texts makes one text of a list, which Expand-Texts takes apart again. No
# value holds the character that they are joined with.
function Join-Texts($texts) {
    $joined = [string]::Join([string][char]0, [string[]]@($texts))
    return [Convert]::ToBase64String([Text.Encoding]::UTF8.GetBytes($joined))
}

function Expand-Texts($joined) {
    return [Text.Encoding]::UTF8.GetString([Convert]::FromBase64String($joined)).Split([char]0)
}

function Get-Title($change) { return $change.Hive + '\' + $change.Key + ' ' + $change.Name + ' (' + $change.View + ' bit)' }

function Get-Shown($state) {
    if (-not $state.Exists) { return 'missing' }
    return (@($state.Data) -join ', ') + ' (' + $state.Kind + ')'
}

function Read-Record {
    if (-not [IO.File]::Exists($recordFile)) { return @() }
    $record = [IO.File]::ReadAllText($recordFile) | ConvertFrom-Json
    return @($record.Entries)
}

function Write-Record($entries) {
    if (@($entries).Count -eq 0) {
        [IO.File]::Delete($recordFile)
        return
    }
    $text = ConvertTo-Json -InputObject @{ Entries = @($entries) } -Depth 5
    $new = $recordFile + '.new'
    [IO.File]::WriteAllText($new, $text)
    if ([IO.File]::Exists($recordFile)) { [IO.File]::Replace($new, $recordFile, [NullString]::Value) } else { [IO.File]::Move($new, $recordFile) }
}

function Find-Entry($entries, $change) {
    foreach ($entry in @($entries)) {
        if ($entry.Hive -eq $change.Hive -and $entry.View -eq $change.View -and $entry.Key -eq $change.Key -and $entry.Name -eq $change.Name) { return $entry }
    }
    return $null
}

if ($Apply -and $Undo) {
    Write-Host 'error: -Apply and -Undo contradict each other'
    exit 2
}
if (($Apply -or $Undo) -and -not (Test-Administrator)) {
    Write-Host 'error: not an administrator: open PowerShell with "Run as administrator"'
    exit 2
}

$changes = @($table -split "\r?\n" | Where-Object { $_ -ne '' } | ConvertFrom-Csv -Delimiter '|')
$failed = 0

if ($Undo) {
    $entries = @(Read-Record)
    if ($entries.Count -eq 0) {
        Write-Host ('Nothing to take back: there is no ' + $recordFile)
        exit 0
    }
    $left = @()
    # Only values of the table above are touched, whatever the record says.
    foreach ($entry in $entries) {
        $change = Find-Entry $changes $entry
        if ($null -eq $change) { continue }
        try {
            $now = Read-Value $change
            $text = ''
            if ($now.Exists) { $text = @($now.Data) -join ', ' }
            if (-not $now.Exists -or $now.Kind -ne $change.Kind -or $text -ne $entry.After) {
                Write-Host ('left alone, as it was changed since: ' + (Get-Title $change) + ' is ' + (Get-Shown $now))
            } elseif ($entry.Existed -eq 'yes') {
                Write-Value $change $entry.Kind (Expand-Texts $entry.Data)
                Write-Host ('taken back: ' + (Get-Title $change))
            } else {
                Remove-Value $change ($entry.MadeKeys -split '\|')
                Write-Host ('removed again: ' + (Get-Title $change))
            }
        } catch {
            $failed++
            $left += $entry
            Write-Host ('error: ' + (Get-Title $change) + ': ' + $_.Exception.Message)
        }
    }
    Write-Record $left
    Write-Host 'Restart the host: services and the logon screen read these values only when they start.'
    if ($failed -gt 0) { exit 1 }
    exit 0
}

$todo = @()
foreach ($change in $changes) {
    try {
        $now = Read-Value $change
        $wanted = Get-Wanted $change $now
        if ($null -eq $wanted) {
            Write-Host ('right already: ' + (Get-Title $change) + ' is ' + (Get-Shown $now))
            continue
        }
        Write-Host ('to be set: ' + (Get-Title $change) + ' is ' + (Get-Shown $now) + ', will be ' + $wanted + ' (' + $change.Kind + ')')
        $todo += @{ Change = $change; Now = $now; Wanted = $wanted }
    } catch {
        $failed++
        Write-Host ('error: ' + (Get-Title $change) + ': ' + $_.Exception.Message)
    }
}

if ($todo.Count -eq 0) {
    Write-Host 'Nothing to do.'
    if ($failed -gt 0) { exit 1 }
    exit 0
}
if (-not $Apply) {
    Write-Host ('Nothing was changed. Run it again with -Apply as an administrator to set ' + $todo.Count + ' of @COUNT@ values.')
    if ($failed -gt 0) { exit 1 }
    exit 3
}

# The values as they were are on disk before the first of them changes. What an
# earlier run wrote stays: it is what was there before this script.
try {
    $entries = @(Read-Record)
    foreach ($item in $todo) {
        $change = $item.Change
        $known = Find-Entry $entries $change
        if ($null -ne $known) {
            $known.After = $item.Wanted
            continue
        }
        $existed = 'no'
        if ($item.Now.Exists) { $existed = 'yes' }
        $entries += New-Object -TypeName PSObject -Property @{
            Hive = $change.Hive; View = $change.View; Key = $change.Key; Name = $change.Name
            Before = (Get-Shown $item.Now); Existed = $existed; Kind = $item.Now.Kind; Data = (Join-Texts $item.Now.Data)
            MadeKeys = (@(Get-NewKeys $change) -join '|'); After = $item.Wanted
        }
    }
    Write-Record $entries
} catch {
    Write-Host ('error: nothing was changed, because ' + $recordFile + ' could not be written: ' + $_.Exception.Message)
    exit 1
}
foreach ($item in $todo) {
    try {
        Write-Value $item.Change $item.Change.Kind $item.Wanted
        Write-Host ('set: ' + (Get-Title $item.Change) + ' to ' + $item.Wanted)
    } catch {
        $failed++
        Write-Host ('error: ' + (Get-Title $item.Change) + ': ' + $_.Exception.Message)
    }
}
Write-Host ('The values as they were are in ' + $recordFile)
Write-Host 'Restart the host: services and the logon screen read these values only when they start.'
if ($failed -gt 0) { exit 1 }
exit 0
`
