package diagnose

import "slices"

// formats is every format, in the order in which they are asked about a line
// that several have a mark in.
var formats = slices.Concat(oktaFormats, microsoftFormats, unixFormats)

// causes is everything that can be found. Where findings are equally pressing,
// they are reported in this order.
var causes = slices.Concat(
	tlsCauses, oktaCauses, deviceAccessCauses, azureCauses, npsExtensionCauses, npsCauses,
	radiusCauses, peerCauses, privacyideaCauses, unixCauses, promptCauses, commonCauses, endpointCauses, settingCauses,
	unexplainedCauses,
)

// CauseByID returns a cause, nil if there is none with that ID.
func CauseByID(id string) *Cause {
	for i := range causes {
		if causes[i].ID == id {
			return &causes[i]
		}
	}
	return nil
}

// Causes returns every cause, in the order of the manual. Nobody may change them.
func Causes() []Cause { return causes }

// Formats returns every format. Nobody may change them.
func Formats() []Format { return formats }

// Literals returns every text that is searched for, in lower case and in no
// order that matters: what another program would have to search for to find the
// same lines.
func Literals() []string { return know().texts }
