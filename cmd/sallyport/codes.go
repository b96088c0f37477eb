package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"sallyport/auth"
)

// codeView is one row of the outcome catalogue.
type codeView struct {
	Code          int    `json:"code"`
	Label         string `json:"label"`
	Name          string `json:"name"`
	Stage         string `json:"stage"`
	Verdict       string `json:"verdict"`
	Result        string `json:"result"`
	Method        string `json:"method"`
	Person        string `json:"person"`
	HelpDesk      string `json:"help_desk"`
	Administrator string `json:"administrator"`
	Remedy        string `json:"remedy"`
	AtFault       bool   `json:"mfa_at_fault"`
	Foreign       bool   `json:"foreign"`
}

func viewCode(m *auth.Meaning) codeView {
	return codeView{
		Code: int(m.Outcome), Label: m.Label, Name: m.Name, Stage: string(m.Stage), Verdict: m.Verdict.String(),
		Result: string(m.Result), Method: m.Method, Person: m.Person, HelpDesk: m.HelpDesk,
		Administrator: m.Administrator, Remedy: m.Remedy, AtFault: m.AtFault, Foreign: m.Foreign,
	}
}

func (a *app) codesCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "codes [CODE]",
		Short: "List all outcomes, or explain one",
		Long: `List all outcomes of logins, or explain one, given by its code or name. It needs
no server.`,
		Args: cobra.MaximumNArgs(1),
	}
	c.RunE = func(_ *cobra.Command, args []string) error {
		t := a.table("CODE", "LABEL", "NAME", "STAGE", "VERDICT", "METHOD")
		for _, m := range auth.Catalogue() {
			v := viewCode(&m)
			switch {
			case len(args) == 1 && args[0] != v.Name && args[0] != strconv.Itoa(v.Code):
			case a.json:
				if err := a.printJSON(v); err != nil || len(args) == 1 {
					return err
				}
			case len(args) == 1:
				a.printCode(v)
				return nil
			default:
				row := text(strconv.Itoa(v.Code), v.Label, v.Name, v.Stage, v.Verdict, v.Method)
				row[4].style = verdictStyle(v.Verdict)
				if err := t.row(row...); err != nil {
					return err
				}
			}
		}
		if len(args) == 1 {
			return refused("sallyport codes lists them", "there is no outcome %q", args[0])
		}
		return t.flush()
	}
	c.Example = "  sallyport codes 138\n  sallyport codes -- -101"
	return a.printsRecords(c)
}

func (a *app) printCode(v codeView) {
	fmt.Fprintln(a.out, a.paint(strong, v.Label))
	a.facts(
		"code", strconv.Itoa(v.Code),
		"name", v.Name,
		"stage", v.Stage,
		"verdict", v.Verdict,
		"result", v.Result,
		"method", v.Method,
		"MFA at fault", yesNo(v.AtFault),
		"only from logs of other products", yesNo(v.Foreign),
	)
	a.paragraph("What the person is told", v.Person)
	a.paragraph("Cause", v.Administrator)
	a.paragraph("For the help desk", v.HelpDesk)
	a.paragraph("What to do", v.Remedy)
}
