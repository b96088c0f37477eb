package diagnose

// microsoftFormats are those of Azure MFA Server, of NPS and of its extension.
// The order matters where a line has marks of several: an accounting record of
// NPS in XML is no event, and a bare line of the extension is not looked for in
// an export of events.
var microsoftFormats = []Format{
	azureRadiusFormat, azureServerFormat, iasFormat, npsExtensionFormat, npsEventFormat,
}
