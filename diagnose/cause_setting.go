package diagnose

var settingCauses = []Cause{}
