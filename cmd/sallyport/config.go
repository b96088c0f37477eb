package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"sallyport/config"
)

func (a *app) configCommand() *cobra.Command {
	sample := &cobra.Command{
		Use:   "sample",
		Short: "Print a configuration file with every key, its default and what it means",
		Args:  takes(),
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprint(a.out, config.Sample())
			return err
		},
	}
	check := &cobra.Command{
		Use:   "check FILE",
		Short: "Say what is wrong with a configuration file",
		Args:  takes("FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			if _, err := config.Load(args[0]); err != nil {
				return refused("sallyport config sample prints every key with its default", "%w", err)
			}
			a.notef("%s has no mistakes", args[0])
			return nil
		},
	}
	return group("config", "Work on configuration files", sample, check)
}
