package diagnose

import "testing"

func TestOktaCP(t *testing.T) {
	runReadTests(t, oktaCP, []readTest{
		{"as published", "Unable to CopySerializedCred hr=80004001 rdpSession=1\n", []string{"- - - - reach failed okta-cp:copyserializedcred,okta-cp:copyserializedcred-80004001 1"}},
		{"with a time before it and a line end written out", "2026-03-02 09:12:44 Unable to CopySerializedCred hr=8007000E rdpSession=0<CR><LF>\n", []string{"2026-03-02T09:12:44? - - - reach failed okta-cp:copyserializedcred,okta-cp:copyserializedcred-8007000e 1"}},
		{"no HRESULT", "Unable to CopySerializedCred hr=oops rdpSession=1\n", nil},
		{"no operation", "Unable to  hr=80004001\nhr=80004001 rdpSession=1\n", nil},
	})
}

func FuzzOktaCP(f *testing.F) { fuzzReader(f, oktaCP) }
